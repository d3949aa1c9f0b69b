"""Backups are read through once, before the swing; at the swing it is enough that nobody has touched them since."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.backup.conftest import NOW, Key
from tests.backup.small_box import box_with_sessions, quiet
from tests.step_context import GATE, context_of, inventory, world_of
from toolkit.backup import steps, verification
from toolkit.backup.gates import backup_intact
from toolkit.backup.records import extract_records
from toolkit.backup.settings_backup import create_settings_backup
from toolkit.backup.steps import VerifyBackups
from toolkit.model.execution import Result, StepContext
from toolkit.model.verdict import Verdict


@pytest.fixture
def at(tmp_path: Path, key: Key) -> Callable[[Mapping[str, Result]], StepContext]:
    """A step of a run that has backed up settings and records; called with the results there are by then."""
    box = box_with_sessions(8)
    create_settings_backup(box, tmp_path / "backup/settings", [key.recipient], box.passphrase, NOW, quiet)
    extract_records(box, tmp_path / "backup/records", [key.recipient], 0, quiet, now=NOW)
    world = world_of(tmp_path, of=inventory("shared-ip.toml"))
    world.once("backup identities", lambda: (key.identity,))
    return lambda results: context_of(tmp_path, world, results=results)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that are read from end to end."""
    folders: list[str] = []
    real = verification.verify

    def verify(folder: Path, *arguments: object) -> object:
        folders.append(folder.name)
        return real(folder, *arguments)  # type: ignore[arg-type]  # handed on as it comes

    monkeypatch.setattr(steps, "verify", verify)
    return folders


def read_through(at: Callable[[Mapping[str, Result]], StepContext]) -> Mapping[str, Result]:
    step = VerifyBackups()
    result = step.act(at({}))
    assert step.verify(at({}), result).verdict is Verdict.PASSED
    return {"verify-backups": result}


def largest(folder: Path) -> Path:
    return max((folder / "backup/records").iterdir(), key=lambda file: file.stat().st_size)


def test_at_the_swing_no_file_is_read_that_nobody_has_touched(
    at: Callable[[Mapping[str, Result]], StepContext], read: list[str]
) -> None:
    results = read_through(at)
    assert read == ["settings", "records"]
    outcome = backup_intact(at(results), GATE)
    assert outcome.verdict is Verdict.PASSED
    assert "untouched since" in outcome.summary
    assert read == ["settings", "records"]


def test_one_that_was_touched_is_read_again_and_holds_when_it_is_whole(
    at: Callable[[Mapping[str, Result]], StepContext], read: list[str], tmp_path: Path
) -> None:
    results = read_through(at)
    largest(tmp_path).touch()
    assert backup_intact(at(results), GATE).verdict is Verdict.PASSED
    assert len(read) == 4


def test_one_that_was_altered_is_found_although_size_and_time_are_as_before(
    at: Callable[[Mapping[str, Result]], StepContext], tmp_path: Path
) -> None:
    results = read_through(at)
    path = largest(tmp_path)
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    outcome = backup_intact(at(results), GATE)
    assert outcome.verdict is Verdict.FAILED
    assert str(path) in outcome.summary


def test_one_that_is_gone_is_missed(at: Callable[[Mapping[str, Result]], StepContext], tmp_path: Path) -> None:
    results = read_through(at)
    largest(tmp_path).unlink()
    assert backup_intact(at(results), GATE).verdict is Verdict.FAILED


def test_what_was_never_read_through_is_read_now(
    at: Callable[[Mapping[str, Result]], StepContext], read: list[str]
) -> None:
    assert backup_intact(at({}), GATE).verdict is Verdict.PASSED
    assert read == ["settings", "records"]
