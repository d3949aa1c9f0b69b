"""Files are whole or as they were: after a kill, on a full disk, over a limit, with two writers, with a name taken."""

import errno
import hashlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.model.errors import StorageError
from toolkit.storage.errors import AlreadyThereError
from toolkit.storage.whole_file import WholeFile, write_whole


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def run_on_a_disk(options: str, script: str, folder: Path) -> str:
    mounted = 'mount -t tmpfs -o "$4" rebox-test "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-Urm", "sh", "-ec", mounted, "sh", str(folder), sys.executable, script, options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_it_has_its_name_only_once_it_is_committed(tmp_path: Path) -> None:
    with WholeFile(tmp_path / "file") as file:
        file.write(b"whole")
        assert not (tmp_path / "file").exists()
        file.commit()
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_what_is_not_committed_leaves_nothing(tmp_path: Path) -> None:
    with WholeFile(tmp_path / "file") as file:
        file.write(b"half")
    assert names(tmp_path) == []


@given(st.lists(st.binary()))
def test_whatever_the_pieces_they_arrive_in_order_and_are_counted(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("whole") / "file"
    with WholeFile(path) as file:
        for piece in pieces:
            assert file.write(piece) == len(piece)
        file.commit()
    content = path.read_bytes()
    assert content == b"".join(pieces)
    assert (file.size_bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert names(path.parent) == ["file"]


@pytest.mark.parametrize(("umask", "public"), [(0o022, 0o644), (0o077, 0o600)])
def test_it_is_private_unless_said_otherwise_and_the_umask_has_the_last_word(
    tmp_path: Path, umask: int, public: int
) -> None:
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "private", b"key")
        write_whole(tmp_path / "public", b"page", mode=0o644)
        (tmp_path / "private").chmod(0o666)
        write_whole(tmp_path / "private", b"new key")
    finally:
        os.umask(before)
    assert (tmp_path / "private").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "public").stat().st_mode & 0o777 == public


def test_it_is_on_the_disk_before_it_takes_its_place_and_so_is_its_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []

    def noted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noting(*arguments: Any) -> Any:
            happened.append(f"{name} {Path(f'/proc/self/fd/{arguments[0]}').resolve().name}" if name else "replace")
            return call(*arguments)

        return noting

    monkeypatch.setattr(os, "fsync", noted("fsync", os.fsync))
    monkeypatch.setattr(os, "replace", noted("", os.replace))
    write_whole(tmp_path / "file", b"whole")
    assert happened == ["fsync .file.part", "replace", f"fsync {tmp_path.name}"]


# a name that is taken


def test_what_is_there_stays_unless_it_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"the only copy", replace=False)
    with pytest.raises(AlreadyThereError, match=r"file: it cannot be written: a file is there already\. Choose"):
        write_whole(path, b"new", replace=False)
    assert path.read_bytes() == b"the only copy"
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(AlreadyThereError):
        write_whole(tmp_path / "dangling", b"new", replace=False)
    assert names(tmp_path) == ["dangling", "file"]


def no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("links", [True, False], ids=["a link", "FAT, as it answers"])
def test_what_appears_while_it_is_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)  # no such file system here: its refusal is played
    write_whole(tmp_path / "alone", b"new", replace=False)
    with WholeFile(tmp_path / "file", replace=False) as file:
        file.write(b"new")
        (tmp_path / "file").write_bytes(b"the only copy")
        with pytest.raises(AlreadyThereError):
            file.commit()
    assert (tmp_path / "file").read_bytes() == b"the only copy"
    assert (tmp_path / "alone").read_bytes() == b"new"
    assert names(tmp_path) == ["alone", "file"]


def test_a_link_planted_under_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".file.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError):
        write_whole(tmp_path / "file", b"secret")
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_planted_under_the_temporary_name_is_neither_written_into_nor_kept(tmp_path: Path) -> None:
    strangers = tmp_path / "strangers"
    strangers.write_bytes(b"theirs")
    (tmp_path / ".file.part").hardlink_to(strangers)
    write_whole(tmp_path / "file", b"secret")
    assert strangers.read_bytes() == b"theirs"
    assert names(tmp_path) == ["file", "strangers"]


# two writers


def write_slowly(path: Path, letter: bytes, replace: bool) -> bool:
    try:
        with WholeFile(path, replace=replace) as file:
            for _ in range(20):
                file.write(letter * 1000)
                time.sleep(0)  # lets the others in
            file.commit()
    except AlreadyThereError:
        return False
    return True


@pytest.mark.parametrize("replace", [True, False])
def test_many_writers_of_one_file_do_not_mix(tmp_path: Path, replace: bool) -> None:
    path = tmp_path / "file"
    letters = [bytes([number]) for number in range(ord("a"), ord("i"))]
    with ThreadPoolExecutor(len(letters)) as pool:
        written = list(pool.map(lambda letter: write_slowly(path, letter, replace), letters))
    assert written.count(True) == (len(letters) if replace else 1)
    content = path.read_bytes()
    assert content in [letter * 20_000 for letter, done in zip(letters, written, strict=True) if done]
    assert names(tmp_path) == ["file"]


# a kill


KILLED = """
import fcntl, os, signal, sys
from pathlib import Path
from toolkit.storage.whole_file import WholeFile, write_whole

path, replace = Path(sys.argv[1]), sys.argv[2] == "replace"
old, new = b"old" if replace else None, b"n" * 3000
CALLS = [(os, "open"), (os, "write"), (os, "fsync"), (os, "replace"), (os, "link"), (os, "unlink"), (os, "close"),
         (fcntl, "flock")]

def killed_at(moment):
    left = moment
    def watched(call):
        def watching(*arguments, **named):
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **named)
        return watching
    for place, name in CALLS:
        setattr(place, name, watched(getattr(place, name)))
    with WholeFile(path, replace=replace) as file:
        for start in range(0, len(new), 1000):
            file.write(new[start : start + 1000])
        file.commit()

moment, ended = 0, False
while not ended:
    path.unlink(missing_ok=True)
    if old is not None:
        path.write_bytes(old)
    child = os.fork()
    if child == 0:
        killed_at(moment)
        os._exit(0)
    ended = os.waitpid(child, 0)[1] == 0
    content = path.read_bytes() if path.exists() else None
    print("new" if content == new else "old" if content == old else content)
    write_whole(path, b"next")
    assert path.read_bytes() == b"next"
    assert os.listdir(path.parent) == [path.name], os.listdir(path.parent)
    moment += 1
"""


@pytest.mark.parametrize("how", ["replace", "refuse"])
def test_killed_at_any_moment_the_old_or_the_new_is_there_and_the_next_writer_clears_up(
    tmp_path: Path, how: str
) -> None:
    found = run(KILLED, tmp_path / "file", how).split()
    assert sorted(found, reverse=True) == found, "old until it is new"
    assert set(found) == {"old", "new"}
    assert len(found) > 8


# a disk that takes no more


LIMITED = """
import resource, sys
from pathlib import Path
from toolkit.storage.whole_file import WholeFile
from toolkit.model.errors import StorageError

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with WholeFile(Path(sys.argv[1])) as file:
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
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    (tmp_path / "file").write_bytes(b"old")
    said = run(LIMITED, tmp_path / "file")
    assert "File too large" in said
    assert "ulimit -f" in said
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


FULL = """
import os, sys
from pathlib import Path
from toolkit.model.errors import StorageError
from toolkit.storage.whole_file import write_whole

path = Path(sys.argv[1]) / "file"
write_whole(path, b"old")
try:
    write_whole(path, bytes(200_000))
except StorageError as error:
    print(error)
assert path.read_bytes() == b"old"
assert os.listdir(path.parent) == ["file"]
write_whole(path, b"a smaller one")
"""


def test_a_full_disk_loses_nothing_and_names_what_to_free(tmp_path: Path) -> None:
    said = run_on_a_disk("size=64k", FULL, tmp_path)
    assert said.startswith(f"{tmp_path}/file: it cannot be written: No space left on device")
    assert f"Free space on the disk of {tmp_path} (0.0 MB free), then run the same command again." in said


READ_ONLY = """
import sys
from pathlib import Path
from toolkit.model.errors import StorageError
from toolkit.storage.whole_file import write_whole

try:
    write_whole(Path(sys.argv[1]) / "file", b"new")
except StorageError as error:
    print(error)
"""


def test_a_medium_one_may_not_write_to_is_named(tmp_path: Path) -> None:
    said = run_on_a_disk("ro", READ_ONLY, tmp_path)
    assert said.startswith(f"{tmp_path}/file: it cannot be written: Read-only file system. Choose a folder")


def test_a_folder_that_is_not_there_or_is_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=f"Create the folder {tmp_path}/gone"):
        write_whole(tmp_path / "gone" / "file", b"")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=f"Choose another folder than {tmp_path}/file"):
        write_whole(tmp_path / "file" / "file", b"")
