"""Files are whole or not there: on a full disk, over the limit, without permission, with two writers."""

import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.backup.storage import NewFile, leftovers, own_folder, scratch_folder, sha256_on_disk, write_whole
from toolkit.model.errors import RefusedError, StorageError


def test_it_has_its_name_only_once_it_is_committed(tmp_path: Path) -> None:
    with NewFile(tmp_path / "file") as file:
        file.write(b"whole")
        assert not (tmp_path / "file").exists()
        file.commit()
    assert (tmp_path / "file").read_bytes() == b"whole"
    assert sha256_on_disk(tmp_path / "file") == file.sha256
    assert file.size_bytes == 5


def test_what_is_not_committed_leaves_nothing(tmp_path: Path) -> None:
    with NewFile(tmp_path / "file") as file:
        file.write(b"half")
    assert list(tmp_path.iterdir()) == []


def test_a_link_planted_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".file.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError):
        write_whole(tmp_path / "file", b"secret")
    assert not (tmp_path / "elsewhere").exists()


LIMITED = """
import resource, sys
from pathlib import Path
from toolkit.backup.storage import NewFile
from toolkit.model.errors import StorageError

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with NewFile(Path(sys.argv[1])) as file:
        for _ in range(10):
            try:
                file.write(bytes(30_000))
            except StorageError:
                pass  # as pyrage does with the last write
        file.commit()
except StorageError as error:
    print(error)
"""


def test_an_error_that_somebody_swallowed_stops_the_commit(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "file")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "File too large" in said
    assert "ulimit -f" in said
    assert list(tmp_path.iterdir()) == []


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
    assert "Free space on the file system of" in said


READ_ONLY = """
import sys
from pathlib import Path
from toolkit.backup.storage import own_folder
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
