"""Reading back: whole, damaged, incomplete, and without an identity."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backup.conftest import NOW, Key
from tests.backup.small_box import SmallBox, box_with_sessions, quiet
from toolkit.backup.age import WrongIdentityError
from toolkit.backup.records import extract_records
from toolkit.backup.segments import Limits
from toolkit.backup.settings_backup import create_settings_backup
from toolkit.backup.verification import backup_folders, verify
from toolkit.model.errors import BackupError
from toolkit.model.verdict import Verdict


@pytest.fixture(scope="module")
def backups(tmp_path_factory: pytest.TempPathFactory, key: Key) -> Path:
    """A settings backup and an archive of several segments, never changed by the tests below."""
    folder = tmp_path_factory.mktemp("backups")
    box = box_with_sessions(12)
    create_settings_backup(box, folder / "settings", [key.recipient], box.passphrase, NOW, quiet)
    extract_records(box, folder / "records", [key.recipient], 0, quiet, now=NOW, limits=Limits(sessions=5))
    return folder


def copied(backups: Path, target: Path) -> Path:
    target.mkdir(exist_ok=True)
    for path in backups.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_with_an_identity_bytes_and_contents_are_checked(backups: Path, key: Key) -> None:
    found = verify(backups / "records", [key.identity], quiet)
    assert found.verdict is Verdict.PASSED
    assert [file.name for file in found.files][:3] == [
        "manifest.json",
        "records-0001.tar.zst.age",
        "records-0001.index.zst.age",
    ]
    assert {(file.stored, file.content) for file in found.files} == {(Verdict.PASSED, Verdict.PASSED)}


def test_without_one_the_contents_are_skipped(backups: Path) -> None:
    found = verify(backups / "settings")
    assert found.verdict is Verdict.PASSED
    assert [file.content for file in found.files[1:]] == [Verdict.SKIPPED, Verdict.SKIPPED]


def test_a_wrong_identity_is_not_called_damage(backups: Path, other_key: Key) -> None:
    with pytest.raises(WrongIdentityError):
        verify(backups / "settings", [other_key.identity])


def test_the_folders_in_a_folder_are_found(backups: Path, tmp_path: Path) -> None:
    assert backup_folders(backups) == (backups / "records", backups / "settings")
    assert backup_folders(backups / "records") == (backups / "records",)
    with pytest.raises(BackupError, match="there is no backup here"):
        backup_folders(tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7) | st.none())
def test_any_altered_bit_and_any_cut_of_any_file_is_refused_and_the_file_named(
    backups: Path, tmp_path: Path, data: st.DataObject, position: float, bit: int | None
) -> None:
    folder = copied(backups / "records", tmp_path / "copy")
    name = data.draw(st.sampled_from(sorted(path.name for path in folder.iterdir() if path.name[0] != ".")))
    path = folder / name
    whole = path.read_bytes()
    at = int(position * len(whole))
    path.write_bytes(whole[:at] if bit is None else whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :])
    with pytest.raises(BackupError) as caught:
        verify(folder)
    assert caught.value.where == str(path)


def test_all_damaged_files_are_named(backups: Path, tmp_path: Path) -> None:
    folder = copied(backups / "records", tmp_path / "copy")
    (folder / "records-0001.tar.zst.age").unlink()
    (folder / "records-0002.index.zst.age").write_bytes(b"x")
    with pytest.raises(BackupError, match=r"0001\.tar.*it is missing.*also damaged: records-0002\.index\.zst\.age"):
        verify(folder)


def test_an_extraction_that_was_interrupted_is_no_pass(tmp_path: Path, key: Key) -> None:
    box = box_with_sessions(12)

    def unplugged(lsid: str, offset: int) -> None:
        if len(box.fetched) > 6:
            raise RuntimeError("unplugged")

    box.before_chunk = unplugged
    with pytest.raises(RuntimeError, match="unplugged"):
        extract_records(box, tmp_path / "r", [key.recipient], 0, quiet, now=NOW, limits=Limits(sessions=5))
    found = verify(tmp_path / "r", [key.identity])
    assert found.verdict is Verdict.FAILED
    assert "goes on where it stopped" in found.notes[0]


def test_strangers_and_leftovers_are_mentioned(tmp_path: Path, key: Key) -> None:
    box = SmallBox()
    create_settings_backup(box, tmp_path / "s", [key.recipient], box.passphrase, NOW, quiet)
    (tmp_path / "s" / "notes.txt").touch()
    (tmp_path / "s" / ".settings.zst.age.part").touch()
    found = verify(tmp_path / "s")
    assert found.verdict is Verdict.PASSED
    assert found.notes[0] == "Not part of the backup: notes.txt."
    assert ".part" in found.notes[1]
