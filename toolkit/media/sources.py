"""What is to be carried: files and folders that people name, as a flat list of what lies where."""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.media.cargo import FILES_MAX, check_path
from toolkit.model.errors import InputError, words_of

PIECE = 1 << 20


@dataclass(frozen=True)
class Source:
    """A file to be carried, and its name among what is carried."""

    path: Path
    name: str
    size_bytes: int

    def read(self) -> Iterator[bytes]:
        """Its bytes, as many as it had when it was listed; raises InputError when it is another by now."""
        left = self.size_bytes
        try:
            with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0) as file:
                while left and (piece := file.read(min(left, PIECE))):
                    left -= len(piece)
                    yield piece
                if left or file.read(1):
                    raise _changed(self.path)
        except OSError as error:
            raise _unreadable(self.path, error) from None


def sha256_of(path: Path) -> str:
    """Of a file's bytes; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sources(given: Sequence[Path]) -> tuple[Source, ...]:
    """Every file that was named or lies in a folder that was named; raises InputError."""
    found = [source for path in given for source in _below(path.absolute())]
    if not found:
        raise InputError(
            "there is nothing to be carried",
            where=", ".join(map(str, given)),
            why="no file is there",
            next_move="Name the files or folders.",
        )
    names = [source.name for source in found]
    twice = next((name for name in names if names.count(name) > 1), None) if len({*names}) < len(names) else None
    if twice:
        raise InputError(
            f"two files would be called {twice}", where=str(given[0]), next_move="Give them different names."
        )
    return tuple(found)


def _below(path: Path) -> Iterator[Source]:
    try:
        if not path.is_dir():
            yield _source(path, path.name)
            return
        for count, (folder, folders, files) in enumerate(os.walk(path, onerror=_raise)):
            folders.sort()
            if count + len(files) > FILES_MAX:
                raise InputError(
                    f"there are more than {FILES_MAX} files", where=str(path), next_move="Pack them into an archive."
                )
            for name in sorted([*files, *(each for each in folders if (Path(folder) / each).is_symlink())]):
                inside = Path(folder) / name
                yield _source(inside, f"{path.name}/{inside.relative_to(path).as_posix()}")
    except OSError as error:
        raise _unreadable(path, error) from None


def _source(path: Path, name: str) -> Source:
    status = path.lstat() if path.is_symlink() else path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise InputError(
            "this is no file",
            where=str(path),
            why="links and devices are not carried",
            next_move="Name the file itself.",
        )
    try:
        return Source(path, check_path(name), status.st_size)
    except ValueError as error:
        raise InputError(
            "a file of this name cannot be carried",
            where=repr(str(path)),
            why=words_of(error),
            next_move="Give it another name, or put it into an archive.",
        ) from None


def _raise(error: OSError) -> None:
    raise error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        "it cannot be read", where=str(error.filename or path), why=words_of(error),
        next_move="Check the path and its permissions.",
    )  # fmt: skip


def _changed(path: Path) -> InputError:
    return InputError(
        "it changed while it was read", where=str(path), next_move="Let nothing write to it, and run the command again."
    )
