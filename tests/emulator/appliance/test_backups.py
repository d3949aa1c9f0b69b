"""Settings carried from one box to another: all of it or nothing (requirements H2, H6)."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.emulator.appliance.box_process import ADMIN_PASSWORD, BoxProcess, factory_order, in_use_order, wait_until
from tests.emulator.appliance.quiet_box import QuietBox, quiet_box
from toolkit.emulator.appliance.content import SettingsKind
from toolkit.emulator.appliance.database import OperationalError
from toolkit.emulator.appliance.factory import Factory
from toolkit.emulator.appliance.refusal import Refusal

KINDS: tuple[SettingsKind, ...] = ("users", "teams", "jump-clients", "options")


@pytest.fixture
def old(tmp_path: Path) -> Iterator[QuietBox]:
    with quiet_box(tmp_path / "old", in_use_order(seed=7)) as box:
        yield box


def _new(folder: Path, site_version: str | None = "Bomgar-12.2.0") -> "Iterator[QuietBox]":
    with quiet_box(folder / "new", factory_order()) as box:
        box.accounts.set_up_password("admin", "password", "another long password", "peer")
        if site_version is not None:
            box.versions.set_site(
                site_version, hostname="support.example.net", licences=25, licence_expiry="2027-12-31"
            )
        yield box


@pytest.fixture
def new(tmp_path: Path) -> Iterator[QuietBox]:
    yield from _new(tmp_path)


def _backup(box: QuietBox, passphrase: str | None) -> bytes:
    path, name = box.backups.make("me", passphrase)
    assert name.startswith(f"backup-{box.identity.serial_number}-")
    content = path.read_bytes()
    path.unlink()
    return content


def _settings(box: QuietBox) -> dict[SettingsKind, object]:
    return {kind: box.content.settings(kind) for kind in KINDS}


@pytest.mark.parametrize("passphrase", [None, "open sesame"])
def test_a_restored_box_has_the_same_settings_and_the_same_log_ins(
    old: QuietBox, new: QuietBox, passphrase: str | None
) -> None:
    counts = new.backups.restore("me", io.BytesIO(_backup(old, passphrase)), passphrase)
    assert (counts.users, counts.teams, counts.jump_clients) == (40, 6, 240)
    assert _settings(new) == _settings(old)
    assert not new.accounts.log_in("login", "admin", ADMIN_PASSWORD, "peer")[1].must_change_password


def test_a_backup_holds_no_network_settings_no_certificates_and_no_records(old: QuietBox, new: QuietBox) -> None:
    network, certificates = new.network.settings(), new.certificates.list()
    counts = new.backups.restore("me", io.BytesIO(_backup(old, None)), None)
    assert (counts.sessions, counts.recordings, counts.recording_bytes) == (0, 0, 0)
    assert new.network.settings() == network
    assert new.certificates.list()[0].sha256 == certificates[0].sha256


def test_what_was_there_before_is_gone_after_a_restore(old: QuietBox, new: QuietBox) -> None:
    cookie, _ = new.accounts.log_in("login", "admin", "password", "peer")
    new.backups.restore("me", io.BytesIO(_backup(old, None)), None)
    assert new.accounts.web_session("login", cookie) is None
    with pytest.raises(Refusal):
        new.accounts.log_in("login", "admin", "password", "peer")


def test_a_backup_hides_its_content_behind_the_passphrase(old: QuietBox) -> None:
    content = _backup(old, "open sesame")
    assert b"jump-0" not in content
    assert b"scrypt$" not in content


@pytest.mark.parametrize(
    ("spoil", "passphrase", "code"),
    [
        (lambda content: content[:-1], "open sesame", "corrupt_backup"),
        (lambda content: content[: len(content) // 2], "open sesame", "corrupt_backup"),
        (lambda content: content[:-40] + bytes([content[-40] ^ 1]) + content[-39:], "open sesame", "corrupt_backup"),
        (lambda content: content, "open sesam", "wrong_passphrase"),
        (lambda content: content, None, "passphrase_required"),
        (lambda _: b"PK\3\4", None, "corrupt_backup"),
    ],
)
def test_a_bad_backup_changes_nothing(
    old: QuietBox, new: QuietBox, spoil: Callable[[bytes], bytes], passphrase: str | None, code: str
) -> None:
    before, audit = _settings(new), new.audit(0)
    with pytest.raises(Refusal) as refused:
        new.backups.restore("me", io.BytesIO(spoil(_backup(old, "open sesame"))), passphrase)
    assert (refused.value.status, refused.value.code) == (422, code)
    assert _settings(new) == before
    assert new.audit(0) == audit


def test_records_that_contradict_each_other_change_nothing(old: QuietBox, new: QuietBox) -> None:
    with old._database.change() as connection:
        record = json.dumps({"id": "user-0001"})
        connection.execute("DROP TABLE users")
        connection.execute("CREATE TABLE users (id, username, record, password, must_change)")
        connection.executemany("INSERT INTO users VALUES ('user-0001', ?, ?, '', 0)", [("a", record), ("b", record)])
    before = _settings(new)
    with pytest.raises(Refusal) as refused:
        new.backups.restore("me", io.BytesIO(_backup(old, None)), None)
    assert refused.value.code == "corrupt_backup"
    assert _settings(new) == before


@pytest.mark.parametrize(
    ("site_version", "code"), [("Bomgar-12.1.9", "backup_too_new"), (None, "no_site_package"), ("Bomgar-13", None)]
)
def test_the_boxs_site_package_must_be_new_enough(
    old: QuietBox, tmp_path: Path, site_version: str | None, code: str | None
) -> None:
    content = _backup(old, None)
    for new in _new(tmp_path, site_version):
        if code is None:
            assert new.backups.restore("me", io.BytesIO(content), None).users == 40
            continue
        with pytest.raises(Refusal) as refused:
            new.backups.restore("me", io.BytesIO(content), None)
        assert refused.value.code == code


def test_nothing_is_left_on_the_disk_when_a_backup_cannot_be_made(
    old: QuietBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> Iterator[bytes]:
        yield b"a line"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(old.backups, "_lines", full)
    with pytest.raises(OSError, match="No space left"):
        old.backups.make("me", None)
    assert list(old.disk.scratch.iterdir()) == []


def test_a_power_cut_in_the_middle_of_a_restore_leaves_what_was_there(
    make_box: Callable[[Factory], BoxProcess],
) -> None:
    box = make_box(in_use_order(seed=3))
    api = box.api()
    backup = api.post("/api/v1/backup", json={"passphrase": None}).content
    before = api.get("/api/v1/settings/users").json()
    api.put("/api/v1/network", json={"hostname": "written.before.example"})
    box.plant("slow-disk")

    def restore() -> None:
        with pytest.raises(httpx.HTTPError):
            api.post("/api/v1/restore", files={"file": backup})

    caller = threading.Thread(target=restore)
    caller.start()
    wait_until(lambda: _is_writing(box), "the restore to be under way")
    box.kill()
    caller.join()
    box.plant()
    api = box.power_on().api()
    assert api.get("/api/v1/settings/users").json() == before
    assert api.get("/api/v1/network").json()["hostname"] == "written.before.example"
    assert "restore-settings" not in [entry["action"] for entry in api.get("/api/v1/audit").json()]
    assert api.post("/api/v1/restore", files={"file": backup}).status_code == 200


def _is_writing(box: BoxProcess) -> bool:
    """Whether the box holds SQLite's write lock: a restore is under way and not committed."""
    other = box.database()
    try:
        other.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    except OperationalError:
        return True
    finally:
        other.close()
    return False
