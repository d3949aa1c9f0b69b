"""`rebox backup` as people and programs use it, with boxes in memory behind an inventory on disk."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.backup.conftest import PASSPHRASE, Key, KeyFile, key, key_file
from tests.backup.small_box import SmallBox, box_with_sessions, factory_box
from toolkit.cli.main import main
from toolkit.cli.output import out

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
    monkeypatch.setattr(out, "width", 200)

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
def boxes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, SmallBox]:
    """The old and the new box of the inventory."""
    old, new = box_with_sessions(9), factory_box("import-sessions", "import-recordings")
    old.settings_records = {"users": ({"id": "user-1", "name": "Ana"},)}
    new.settings_records, new.backup = old.settings_records, old.backup
    found = {"old": old, "new": new}

    def open_world(inventory: object, _base: Path, **_: object) -> SimpleNamespace:
        return SimpleNamespace(inventory=inventory, box=found.__getitem__)

    monkeypatch.setattr("toolkit.wiring.open_world", open_world)
    monkeypatch.setenv("REBOX_STATE", str(tmp_path / "state"))
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
    assert (status, said["error"]) == (2, "missing_identity")
    monkeypatch.setenv("REBOX_TEST_IDENTITY", "not this one")
    status, said = rebox("restore", locked_inventory, tmp_path / "b", "--yes", "--json")
    assert (status, said["error"]) == (2, "wrong_passphrase")
    monkeypatch.setenv("REBOX_TEST_OTHER", "another one")
    status, made = rebox("keygen", tmp_path / "other", "--passphrase", "env:REBOX_TEST_OTHER", "--json")
    assert (status, made["recipient"][:4]) == (0, "age1")
    other = ("--identity", tmp_path / "other", "--passphrase", "env:REBOX_TEST_OTHER")
    status, said = rebox("verify", tmp_path / "b", *other, "--json")
    assert (status, said["error"]) == (2, "wrong_identity")
    assert boxes["new"].changes == []


def test_a_folder_without_a_backup_says_so(rebox: Rebox, tmp_path: Path) -> None:
    for words in (("show", tmp_path), ("verify", tmp_path), ("verify", tmp_path / "nowhere")):
        status, said = rebox(*words)
        assert status == 2
        assert "there is no backup here" in said


def test_sessions_are_listed_with_an_identity_only(rebox: Rebox, tmp_path: Path) -> None:
    status, said = rebox("show", tmp_path, "--sessions")
    assert status == 2
    assert "--identity" in said


def test_only_one_command_works_on_a_box(
    rebox: Rebox, boxes: dict[str, SmallBox], inventory: Path, tmp_path: Path
) -> None:
    answers = []
    boxes["old"].while_downloading = lambda: answers.append(
        rebox("create", inventory, "--to", tmp_path / "second", "--json")
    )
    status, _ = rebox("create", inventory, "--to", tmp_path / "first", "--no-records")
    assert status == 0
    ((refused, said),) = answers
    assert (refused, said["error"]) == (3, "refused")
    assert "box BX-0001 is being worked on" in said["what"]
    assert "rebox backup create" in said["why"]
    assert not (tmp_path / "second").exists()


def test_another_box_than_the_inventorys_is_left_alone(
    rebox: Rebox, boxes: dict[str, SmallBox], inventory: Path, tmp_path: Path
) -> None:
    boxes["old"].serial_number = "BX-0009"
    status, said = rebox("create", inventory, "--to", tmp_path / "b")
    assert status == 2
    assert "BX-0001" in said
    assert "BX-0009" in said
    assert not (tmp_path / "b").exists()


def test_a_backup_that_was_complete_is_not_told_as_a_new_one(
    rebox: Rebox, boxes: dict[str, SmallBox], inventory: Path, tmp_path: Path
) -> None:
    create = ("create", inventory, "--to", tmp_path / "b")
    _, first = rebox(*create, "--json")
    assert [first[kind]["already_there"] for kind in ("settings", "records")] == [False, False]
    status, again = rebox(*create, "--json")
    assert status == 0
    assert [again[kind]["already_there"] for kind in ("settings", "records")] == [True, True]
    _, said = rebox(*create)
    assert said.count("Already complete since") == 2
    boxes["old"].add_session(900, "late", None)
    _, later = rebox(*create, "--json")
    assert [later[kind]["already_there"] for kind in ("settings", "records")] == [True, False]


def test_a_backup_of_somebody_else_is_not_called_missing(
    rebox: Rebox, boxes: dict[str, SmallBox], inventory: Path, tmp_path: Path
) -> None:
    rebox("create", inventory, "--to", tmp_path / "b", "--json")
    # who may read everything anyway gives that right up first
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    for closed in (tmp_path / "b" / "records", tmp_path / "b" / "settings" / "settings.zst.age"):
        mode = closed.stat().st_mode
        closed.chmod(0)
        command = [
            *without,
            sys.executable,
            "-m",
            "toolkit.cli.main",
            "backup",
            "verify",
            str(tmp_path / "b"),
            "--json",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        closed.chmod(mode)
        said = json.loads(done.stdout)
        assert (done.returncode, said["error"], said["why"]) == (2, "permission", "Permission denied")
        assert said["where"].startswith(str(closed))
        assert "as the user who made the backup" in said["next_move"]


def test_a_key_is_made_once(rebox: Rebox, tmp_path: Path) -> None:
    status, said = rebox("keygen", tmp_path / "identity", "--passphrase", "env:REBOX_TEST_IDENTITY")
    assert status == 0
    assert "age1" in said
    status, said = rebox("keygen", tmp_path / "identity", "--passphrase", "env:REBOX_TEST_IDENTITY", "--json")
    assert (status, said["error"]) == (2, "input")


def test_a_key_is_not_locked_with_a_weak_passphrase(
    rebox: Rebox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REBOX_TEST_WEAK", "seven77")
    status, said = rebox("keygen", tmp_path / "identity", "--passphrase", "env:REBOX_TEST_WEAK")
    assert status == 2
    assert "fewer than 8 characters" in said
    assert not (tmp_path / "identity").exists()
