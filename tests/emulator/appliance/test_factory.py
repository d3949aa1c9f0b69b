"""Boxes are made whole or not at all, and an order that makes no sense is told so."""

import errno
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.appliance.box_process import SITE, factory_order, in_use_order
from tests.emulator.appliance.paperwork import Chain
from tests.emulator.appliance.quiet_box import powered, quiet_box
from toolkit.emulator.appliance.factory import Factory, manufacture, read_factory
from toolkit.emulator.appliance.faults import FAULTS, Faults
from toolkit.emulator.appliance.passwords import hash_password
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.model.errors import InputError, StorageError

COMMAND = (sys.executable, "-m", "toolkit.emulator.appliance")


def test_a_box_made_by_the_command_line_is_the_one_that_was_ordered(tmp_path: Path) -> None:
    chain = Chain.issue()
    for name, content in {
        "site.pem": chain.pem,
        "site.key": chain.leaf.key_pem(),
        "secret": b"a secret of at least 24 characters\n",
        "password": b"correct horse battery\n",
        "root.json": b"{}",
        "ca.pem": chain.root.pem,
    }.items():
        (tmp_path / name).write_bytes(content)
    words = (
        "manufacture --disk disk --serial OLD-9 --interface eth0 --mac 02:00:00:00:00:11 --address 10.77.0.11/24"
        " --address fd77::11/64 --shared-address 10.77.0.10/24:enabled --shared-address fd77::10/64"
        " --gateway 10.77.0.1 --dns 10.77.0.2 --profile in-use --site support.example.net"
        " --site-version Bomgar-12.1.6 --size-mb 1 --seed 3 --base-version 3.3.1 --certificate site.pem --key site.key"
        " --api-account rebox:secret --admin-password-file password --update-server https://updates.example.net"
        " --tuf-root root.json --ca-file ca.pem --clock-offset -86400 --active-sessions 2"
    )
    subprocess.run([*COMMAND, *words.split()], cwd=tmp_path, check=True)
    with powered(tmp_path / "disk") as box:
        for address in ("fd77::11", "fd77::10"):
            box.listeners.close(address)
        network = box.network.settings()
        assert [(one.address, one.shared, one.enabled) for one in network.addresses] == [
            ("10.77.0.11", False, True),
            ("fd77::11", False, True),
            ("10.77.0.10", True, True),
            ("fd77::10", True, False),
        ]
        assert (network.gateway, network.dns_servers) == ("10.77.0.1", ("10.77.0.2",))
        assert (box.versions.base, box.versions.site, box.versions.site_hostname) == ("3.3.1", "Bomgar-12.1.6", SITE)
        assert box.certificates.list()[1].addresses == ("10.77.0.11", "fd77::11", "10.77.0.10", "fd77::10")
        assert box.accounts.issue_token("rebox", "a secret of at least 24 characters", "peer")
        assert box.accounts.check_admin("admin", "correct horse battery", "peer")
        assert box.status().active_sessions == 2
        assert box.update_server == "https://updates.example.net"
        assert (box.disk.trust / "ca.pem").read_bytes() == chain.root.pem


def test_only_its_owner_can_look_into_a_disk(tmp_path: Path) -> None:
    manufacture(tmp_path / "disk", factory_order())
    assert stat.S_IMODE((tmp_path / "disk").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"serial_number": "no spaces"}, "serial_number"),
        ({"mac": "02:00:00:00:00"}, "mac"),
        ({"addresses": []}, "addresses"),
        ({"addresses": ["10.77.0.11"]}, "addresses.0"),
        ({"addresses": ["10.77.0.300/24"]}, "addresses.0"),
        ({"gateway": "nowhere"}, "gateway"),
        ({"profile": "broken"}, "profile"),
        ({"size_mb": -1}, "size_mb"),
        ({"active_sessions": 1001}, "active_sessions"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_an_order_that_makes_no_sense_names_the_field(change: dict[str, object], named: str) -> None:
    fields = {"serial_number": "NEW-1", "mac": "02:00:00:00:00:12", "addresses": ["10.77.0.12/24"], **change}
    with pytest.raises(InputError) as wrong:
        read_factory(fields)
    assert wrong.value.what.startswith(named)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (in_use_order(site=None), "site is missing"),
        (in_use_order(site_version=None), "site-version is missing"),
        (factory_order(api_accounts={"x": "y" * 24}), "api accounts is given"),
        (factory_order(shared_addresses=[{"address": "10.77.0.10/24"}]), "shared addresses is given"),
        (factory_order(active_sessions=1), "active sessions is given"),
        (in_use_order(certificate=b"x"), "certificate and key are not both given"),
        (in_use_order(certificate=b"x", key=b"y"), "certificate and key cannot be used"),
        (in_use_order(site_version="twelve"), "'twelve' is not a version"),
    ],
)
def test_an_order_that_contradicts_itself_makes_no_box(tmp_path: Path, order: Factory, words: str) -> None:
    with pytest.raises(InputError) as wrong:
        manufacture(tmp_path / "disk", order)
    assert words in str(wrong.value)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Iterator[bytes]:
        yield b"the beginning"
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("toolkit.emulator.appliance.factory.recording_content", full)
    with pytest.raises(StorageError, match="No space left") as told:
        manufacture(tmp_path / "disk", in_use_order())
    assert "Free space" in told.value.next_move
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        manufacture(tmp_path, factory_order())
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_secret_never_appears_in_an_error(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden")
    words = "manufacture --disk disk --serial X --mac 02 --address 10.0.0.1/24 --profile in-use --api-account a:secret"
    told = subprocess.run([*COMMAND, *words.split()], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "mac cannot be used" in told.stderr
    assert "hidden" not in told.stderr
    assert "Traceback" not in told.stderr


def test_only_faults_that_exist_can_be_planted(tmp_path: Path) -> None:
    with quiet_box(tmp_path / "disk", factory_order()) as box:
        for name in FAULTS:
            box.faults.plant(name)
            assert [one for one in FAULTS if box.faults.is_set(one)] == [name]
        with pytest.raises(InputError, match="is not a fault"):
            Faults(box.disk).plant("no-such-fault")
        assert box.faults.is_set(name), "a refused fault heals nothing"
        box.faults.plant()
        assert not any(box.faults.is_set(one) for one in FAULTS)
        with pytest.raises(KeyError):
            box.faults.is_set("no-such-fault")


def test_a_one_time_password_stands_in_for_the_well_known_one_until_it_is_changed(tmp_path: Path) -> None:
    order = factory_order(hostname="new-box", admin_password_hash=hash_password("only good for once"))
    with quiet_box(tmp_path / "disk", order) as box:
        assert box.network.settings().hostname == "new-box"
        with pytest.raises(Refusal, match="wrong"):
            box.accounts.set_up_password("admin", "password", "a new password of ours", "peer")
        with pytest.raises(Refusal, match="must be changed"):
            box.accounts.check_admin("admin", "only good for once", "peer")
        box.accounts.set_up_password("admin", "only good for once", "a new password of ours", "peer")
        assert box.accounts.check_admin("admin", "a new password of ours", "peer")


@pytest.mark.parametrize("text", ["hunter2", "scrypt$13$8$1$$", "scrypt$40$8$1$AAAA$AAAA", "scrypt$x$8$1$AAAA$AAAA"])
def test_what_is_no_hash_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="admin password hash cannot be used") as caught:
        manufacture(tmp_path / "disk", factory_order(admin_password_hash=text))
    assert text not in str(caught.value)
    assert not (tmp_path / "disk").exists()
