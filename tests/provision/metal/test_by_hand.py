"""Metal without a BMC: what a person is given, and by what the box they have installed is recognised."""

from pathlib import Path

import pytest

from tests.provision.metal.built_images import job_in, put_images
from tests.step_context import NEW_SERIAL, StubBox, context_of, inventory, world_of
from toolkit.appliances.protocol import ResetStatus
from toolkit.appliances.world import World
from toolkit.model.errors import InputError, UnreachableError
from toolkit.model.execution import StepContext
from toolkit.model.inventory import Inventory
from toolkit.model.provision import OperatorProvision
from toolkit.model.verdict import Verdict
from toolkit.provision.metal.by_hand import FINGERPRINT, ISO, InstallByHand
from toolkit.provision.metal.media_server import serve_media

BY_HAND = OperatorProvision.model_validate(
    {"driver": "operator", "mac": "52:54:00:78:00:01", "addresses": ["10.77.0.22/24"], "disk_serial": "DISK-1",
     "data_disk_serial": "DISK-1"}
)  # fmt: skip


@pytest.fixture(autouse=True)
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REBOX_CACHE", str(tmp_path / "cache"))
    put_images(tmp_path)


def by_hand(port: int = 443) -> Inventory:
    return inventory(new={"tls_sha256": None, "port": port}).model_copy(update={"provision": BY_HAND})


def context(folder: Path, box: StubBox, *, port: int = 443, said: list[str] | None = None) -> StepContext:
    world: World = world_of(folder, new=box, of=by_hand(port), resolve_secret=lambda *_: "the admin's password")
    made = context_of(folder, world)
    told = said if said is not None else []
    return StepContext(**{**vars(made), "progress": lambda _, phase: told.append(phase)})


def test_the_installer_is_written_for_this_machine_and_disk_and_once(tmp_path: Path) -> None:
    InstallByHand().act(context(tmp_path, StubBox("new", "10.77.0.22")))
    job = job_in(tmp_path / ISO)
    assert (job["action"], job["machine_serial"], job["disk_serial"]) == ("install", NEW_SERIAL, "DISK-1")
    assert (job["macs"], job["then"], "report" in job) == (["52:54:00:78:00:01"], "power-off", False)
    assert job["seed"]["data_disk_serial"] == "DISK-1"
    assert "the admin's password" not in (tmp_path / ISO).read_bytes().decode(errors="replace")
    written = (tmp_path / ISO).stat()
    assert written.st_mode & 0o077 == 0
    InstallByHand().act(context(tmp_path, StubBox("new", "10.77.0.22")))
    assert (tmp_path / ISO).stat().st_mtime_ns == written.st_mtime_ns


def test_a_box_counts_once_a_person_has_read_its_certificate_off_its_console(tmp_path: Path) -> None:
    box = StubBox("new", "127.0.0.1", reset_status=ResetStatus(serial_number=NEW_SERIAL, state="none"))
    said: list[str] = []
    (tmp_path / "file").touch()
    with serve_media(tmp_path / "file", "127.0.0.1") as there:
        assert there.certificate is not None
        step = context(tmp_path, box, port=there.port, said=said)
        assert InstallByHand().look(step) is None
        assert f"serves the certificate {there.certificate.sha256}: is it what its console says?" in said[-1]

        (tmp_path / FINGERPRINT).write_text("ab" * 32 + "\n")
        assert InstallByHand().look(step) is None
        assert "not the one in new-fingerprint" in said[-1]
        assert box.trusted == []

        (tmp_path / FINGERPRINT).write_text(there.certificate.sha256.upper() + "\n")
        result = InstallByHand().look(step)
        assert result == {"made_here": True}
        assert there.certificate.sha256 in box.trusted
        assert InstallByHand().verify(step, result).verdict is Verdict.PASSED


def test_nobody_at_the_address_is_not_yet(tmp_path: Path) -> None:
    said: list[str] = []
    assert InstallByHand().look(context(tmp_path, StubBox("new", "127.0.0.1"), port=9, said=said)) is None
    assert said == ["not yet: nobody answers at 127.0.0.1"]


def test_what_is_no_fingerprint_is_named(tmp_path: Path) -> None:
    (tmp_path / FINGERPRINT).write_text("SHA256:abc")
    (tmp_path / "file").touch()
    with serve_media(tmp_path / "file", "127.0.0.1") as there:
        step = context(tmp_path, StubBox("new", "127.0.0.1"), port=there.port)
        with pytest.raises(InputError, match="64 hexadecimal digits"):
            InstallByHand().look(step)


def test_going_back_sees_the_machine_off_and_keeps_no_installer(tmp_path: Path) -> None:
    on = context(tmp_path, StubBox("new", "10.77.0.22", health=None))
    InstallByHand().act(on)
    assert InstallByHand().undo(on, None).verdict is Verdict.FAILED
    off = context(tmp_path, StubBox("new", "10.77.0.22", health=UnreachableError("off")))
    assert InstallByHand().undo(off, None).verdict is Verdict.PASSED
    assert not (tmp_path / ISO).exists()
