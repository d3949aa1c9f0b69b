"""`rebox backup` as people and programs use it, with boxes in memory behind an inventory on disk."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.backup.conftest import PASSPHRASE, Key, KeyFile, key, key_file
from tests.backup.small_box import SmallBox, box_with_sessions, factory_box
from toolkit.cli.main import main

__all__ = ["key", "key_file"]  # fixtures

BOX_PASSPHRASE = "of the box"
INVENTORY = """
procedure = "hardware-migration"

[site]
name = "support.example.net"
addresses = ["192.0.2.10"]

[old]
address = "192.0.2.1"
serial_number = "BX-0001"
tls_sha256 = "{zeros}"
client_secret = "env:REBOX_TEST_CLIENT"

[new]
address = "192.0.2.2"
serial_number = "BX-0002"
tls_sha256 = "{zeros}"
client_secret = "env:REBOX_TEST_CLIENT"
admin_password = "env:REBOX_TEST_ADMIN"

[swing]
method = "shared-ip"

[package]
version = "Bomgar-12.2.0"

[certificate]
passphrase = "env:REBOX_TEST_CERTIFICATE"

[backup]
recipients = ["{recipient}"]
identity_file = "backup.identity"
identity_passphrase = "env:REBOX_TEST_IDENTITY"
passphrase = "env:REBOX_TEST_BOX"
"""

Rebox = Callable[..., tuple[int, Any]]


@pytest.fixture
def rebox(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Rebox:
    """Runs `rebox backup …`; returns its status and, with --json, the document, else what people were told."""
    monkeypatch.setenv("REBOX_TEST_IDENTITY", PASSPHRASE)
    monkeypatch.setenv("REBOX_TEST_BOX", BOX_PASSPHRASE)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object) -> tuple[int, Any]:
        with pytest.raises(SystemExit) as exit_:
            main(["backup", *map(str, words)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        for secret in (PASSPHRASE, BOX_PASSPHRASE, "AGE-SECRET-KEY"):
            assert secret not in out + err
        assert isinstance(exit_.value.code, int)
        if "--json" in words:
            return exit_.value.code, json.loads(out)
        return exit_.value.code, " ".join((err + out).split())

    return run


@pytest.fixture
def boxes(monkeypatch: pytest.MonkeyPatch) -> dict[str, SmallBox]:
    """The old and the new box of the inventory."""
    old, new = box_with_sessions(9), factory_box("import-sessions", "import-recordings")
    old.settings_records = {"users": ({"id": "user-1", "name": "Ana"},)}
    new.settings_records, new.backup = old.settings_records, old.backup
    found = {"old": old, "new": new}
    monkeypatch.setattr("toolkit.wiring.open_box", lambda inventory, role: found[role])
    return found


@pytest.fixture
def inventory(tmp_path: Path, key: Key) -> Path:
    """Its identity file is not locked: unlocking takes a second each time, and the tests about it lock it."""
    identity = tmp_path / "backup.identity"
    identity.touch(mode=0o600)
    identity.write_text(f"{key.identity}\n")
    path = tmp_path / "inventory.toml"
    path.write_text(INVENTORY.format(zeros="0" * 64, recipient=key.recipient))
    return path


@pytest.fixture
def locked_inventory(inventory: Path, key_file: KeyFile) -> Path:
    inventory.with_name("backup.identity").write_bytes(key_file.path.read_bytes())
    inventory.write_text(INVENTORY.format(zeros="0" * 64, recipient=key_file.recipient))
    return inventory


def test_from_one_box_to_the_other(
    rebox: Rebox, boxes: dict[str, SmallBox], locked_inventory: Path, tmp_path: Path
) -> None:
    status, created = rebox("create", locked_inventory, "--to", tmp_path / "b", "--json")
    assert status == 0
    assert created["settings"]["source"]["serial_number"] == "BX-0001"
    assert created["records"]["missing"]["sessions"] == 0
    assert boxes["old"].changes == []

    identity = ("--identity", tmp_path / "backup.identity", "--passphrase", "env:REBOX_TEST_IDENTITY")
    status, verified = rebox("verify", tmp_path / "b", *identity, "--json")
    assert (status, verified["verdict"]) == (0, "passed")
    assert {file["content"] for backup in verified["backups"] for file in backup["files"]} == {"passed"}

    status, restored = rebox("restore", locked_inventory, tmp_path / "b", "--yes", "--json")
    assert status == 0
    assert boxes["new"].changes[0] == "restore"
    assert boxes["new"].contents == boxes["old"].contents
    assert restored["records"]["sessions_after"] == 9


def test_people_are_told_what_is_there(
    rebox: Rebox, boxes: dict[str, SmallBox], inventory: Path, tmp_path: Path
) -> None:
    status, said = rebox("create", inventory, "--to", tmp_path / "b")
    assert status == 0
    assert "BX-0001" in said
    status, said = rebox("show", tmp_path / "b")
    assert status == 0
    assert "9 sessions, 6 recordings" in said
    identity = ("--identity", tmp_path / "backup.identity")
    status, said = rebox("show", tmp_path / "b" / "records", "--sessions", *identity)
    assert str(boxes["old"].listed[0]["lsid"]) in said
    status, said = rebox("verify", tmp_path / "b")
    assert status == 0
    assert "skipped" in said
    status, said = rebox("restore", inventory, tmp_path / "b", "--yes")
    assert status == 0
    assert "passed" in said


def test_nothing_is_replaced_unasked(rebox: Rebox, boxes: dict[str, SmallBox], inventory: Path, tmp_path: Path) -> None:
    rebox("create", inventory, "--to", tmp_path / "b", "--json")
    status, said = rebox("restore", inventory, tmp_path / "b", "--json")
    assert (status, said["error"]) == (3, "refused")
    assert "BX-0002" in said["what"]
    assert boxes["new"].changes == []


def test_a_restore_that_is_not_the_same_fails(
    rebox: Rebox, boxes: dict[str, SmallBox], inventory: Path, tmp_path: Path
) -> None:
    rebox("create", inventory, "--to", tmp_path / "b", "--no-records", "--json")
    boxes["new"].settings_records = {}
    status, restored = rebox("restore", inventory, tmp_path / "b", "--yes", "--json")
    assert status == 1
    assert restored["settings"]["differences"][0]["only_before"] == ["user-1"]


def test_nothing_chosen_is_nothing_checked(
    rebox: Rebox, boxes: dict[str, SmallBox], inventory: Path, tmp_path: Path
) -> None:
    status, created = rebox("create", inventory, "--to", tmp_path / "b", "--no-settings", "--no-records", "--json")
    assert (status, created) == (4, {"verdict": "unknown"})
    assert not (tmp_path / "b").exists()


def test_a_damaged_backup_is_refused_by_name(
    rebox: Rebox, boxes: dict[str, SmallBox], inventory: Path, tmp_path: Path
) -> None:
    rebox("create", inventory, "--to", tmp_path / "b", "--json")
    damaged = tmp_path / "b" / "settings" / "settings.zst.age"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    status, said = rebox("verify", tmp_path / "b", "--json")
    assert (status, said["error"], said["where"]) == (1, "backup", str(damaged))
    status, said = rebox("restore", inventory, tmp_path / "b", "--yes")
    assert status == 1
    assert "settings.zst.age" in said
    assert boxes["new"].changes == []


def test_each_wrong_key_has_its_own_error(
    rebox: Rebox, boxes: dict[str, SmallBox], locked_inventory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebox("create", locked_inventory, "--to", tmp_path / "b", "--json")
    status, said = rebox("verify", tmp_path / "b", "--identity", tmp_path / "gone", "--json")
    assert (status, said["error"]) == (1, "missing_identity")
    monkeypatch.setenv("REBOX_TEST_IDENTITY", "not this one")
    status, said = rebox("restore", locked_inventory, tmp_path / "b", "--yes", "--json")
    assert (status, said["error"]) == (1, "wrong_passphrase")
    monkeypatch.setenv("REBOX_TEST_OTHER", "another")
    status, made = rebox("keygen", tmp_path / "other", "--passphrase", "env:REBOX_TEST_OTHER", "--json")
    assert (status, made["recipient"][:4]) == (0, "age1")
    other = ("--identity", tmp_path / "other", "--passphrase", "env:REBOX_TEST_OTHER")
    status, said = rebox("verify", tmp_path / "b", *other, "--json")
    assert (status, said["error"]) == (1, "wrong_identity")
    assert boxes["new"].changes == []


def test_a_folder_without_a_backup_says_so(rebox: Rebox, tmp_path: Path) -> None:
    status, said = rebox("show", tmp_path)
    assert status == 1
    assert "there is no backup here" in said


def test_a_key_is_made_once(rebox: Rebox, tmp_path: Path) -> None:
    status, said = rebox("keygen", tmp_path / "identity", "--passphrase", "env:REBOX_TEST_IDENTITY")
    assert status == 0
    assert "age1" in said
    status, said = rebox("keygen", tmp_path / "identity", "--passphrase", "env:REBOX_TEST_IDENTITY", "--json")
    assert (status, said["error"]) == (2, "input")
