"""A backup's folder has one writer, keeps no leftovers, and on a full or a foreign disk says so."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.backup.folder import leftovers, own_folder, scratch_folder, sha256_on_disk
from toolkit.model.errors import RefusedError, StorageError


def test_what_lies_on_the_disk_is_hashed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"whole")
    assert sha256_on_disk(tmp_path / "file") == hashlib.sha256(b"whole").hexdigest()


FULL = """
import sys
from pathlib import Path
from toolkit.backup import age
from toolkit.backup.sealed import seal
from toolkit.model.errors import StorageError
import os

folder = Path(sys.argv[1])
before = sorted(path.name for path in folder.iterdir())
try:
    seal((os.urandom(100_000) for _ in range(40)), folder / "x.zst.age", [age.new_identity()[1]])
except StorageError as error:
    print(error)
assert sorted(path.name for path in folder.iterdir()) == before, list(folder.iterdir())
"""


def test_a_full_disk_names_the_file_and_what_to_free_and_leaves_nothing(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=1m rebox-test "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-Urm", "sh", "-ec", script, "sh", str(tmp_path), sys.executable, FULL]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert f"{tmp_path}/x.zst.age: it cannot be written: No space left on device" in said
    assert "Free space on the disk of" in said


READ_ONLY = """
import sys
from pathlib import Path
from toolkit.backup.folder import own_folder
from toolkit.model.errors import StorageError

try:
    with own_folder(Path(sys.argv[1]) / "backup"):
        pass
except StorageError as error:
    print(error)
"""


def test_a_medium_one_may_not_write_to_is_named(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o ro rebox-test "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-Urm", "sh", "-ec", script, "sh", str(tmp_path), sys.executable, READ_ONLY]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Read-only file system" in said
    assert "Choose a folder you may write to" in said


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"), own_folder(tmp_path / "file"):
        pass


def test_two_writers_at_once_are_refused_and_the_lock_ends_with_the_first(tmp_path: Path) -> None:
    second = own_folder(tmp_path / "backup")
    with own_folder(tmp_path / "backup"), pytest.raises(RefusedError, match="another process is writing"):
        second.__enter__()
    with own_folder(tmp_path / "backup"):
        pass
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700


def test_leftovers_of_a_killed_writer_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".settings.zst.age.part").touch()
    (tmp_path / ".scratch-1.part").mkdir()
    (tmp_path / ".scratch-1.part" / "settings").touch()
    (tmp_path / "settings.zst.age").touch()
    assert len(leftovers(tmp_path)) == 2
    with own_folder(tmp_path):
        assert leftovers(tmp_path) == ()
    assert (tmp_path / "settings.zst.age").exists()


def test_a_scratch_folder_is_private_and_goes_whatever_happens(tmp_path: Path) -> None:
    def fails() -> None:
        with scratch_folder(tmp_path) as scratch:
            assert scratch.stat().st_mode & 0o777 == 0o700
            (scratch / "settings").touch()
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StorageError, match="gone"), scratch_folder(tmp_path / "gone"):
        pass
