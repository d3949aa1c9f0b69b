"""Files that people name: read, or refused in words that say what to give instead."""

import io
import os
import stat
import time
from pathlib import Path

from toolkit.model.errors import InputError, words_of

TEXT_BYTES_MAX = 2**20
"""More than any inventory, topology or secret: a larger file is another file, and is not read to its end."""

_WHAT = "the file cannot be read"
_NEXT_MOVE = "Check the path and its permissions."
_WRITER_SECONDS_MAX = 2.0
_LOOK_SECONDS = 0.02
_PIECE = 1 << 16


def read_given(path: Path, *, bytes_max: int = -1) -> bytes:
    """The file's bytes, at most the first `bytes_max` (-1: all); raises InputError."""
    try:
        return _content(path, bytes_max)
    except OSError as error:
        raise _refused(path, error, _WHAT, _NEXT_MOVE) from None


def read_given_text(path: Path, *, what: str = _WHAT, next_move: str = _NEXT_MOVE) -> str:
    """The file's UTF-8 text (a byte order mark before it is none of it), its lines ended by newlines.

    Raises InputError, worded by `what` and `next_move`, also for a file of more than `TEXT_BYTES_MAX` bytes.
    """
    try:
        content = _content(path, TEXT_BYTES_MAX + 1)
        # before it is decoded: the cut may go through a character
        if len(content) > TEXT_BYTES_MAX:
            raise InputError(what, where=str(path), why="it is larger than 1 MiB", next_move=next_move)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(path, error, what, next_move) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _content(path: Path, bytes_max: int) -> bytes:
    """The file's bytes; raises OSError, and InputError for a named pipe into which nobody writes.

    Opening such a pipe waits until somebody does, for ever if need be. Pipes without a name (standard input, a shell's
    `<(...)`) have a writer, and are read like files.
    """
    if not stat.S_ISFIFO(path.stat().st_mode) or os.path.realpath(path).startswith("/proc/"):
        with path.open("rb") as file:
            return file.read(bytes_max)
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as pipe:
        first = _first_piece(path, pipe, _PIECE if bytes_max < 0 else min(bytes_max, _PIECE))
        os.set_blocking(pipe.fileno(), True)
        with io.BufferedReader(pipe) as rest:
            return first + rest.read(-1 if bytes_max < 0 else bytes_max - len(first))


def _first_piece(path: Path, pipe: io.RawIOBase, bytes_max: int) -> bytes:
    """What is in the pipe, nothing when its writer has not written yet; waits a little for the writer to come."""
    deadline = time.monotonic() + _WRITER_SECONDS_MAX
    while time.monotonic() < deadline:
        piece = pipe.read(bytes_max)
        if piece is None:  # it would have to wait, so a writer is there
            return b""
        if piece:
            return piece
        time.sleep(_LOOK_SECONDS)
    raise InputError(
        _WHAT,
        where=str(path),
        why="it is a named pipe, and nobody writes into it",
        next_move="Start what writes into it first, or give a file.",
    )


def _refused(path: Path, error: OSError | UnicodeDecodeError, what: str, next_move: str) -> InputError:
    why = "it is not UTF-8 text"
    if isinstance(error, OSError):
        why = words_of(error)
    return InputError(what, where=str(path), why=why, next_move=next_move)
