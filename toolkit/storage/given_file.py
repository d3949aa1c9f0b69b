"""Files that people name: read, or refused in words that say what to give instead."""

from pathlib import Path

from toolkit.model.errors import InputError

TEXT_BYTES_MAX = 2**20
"""More than any inventory, topology or secret: a larger file is another file, and is not read to its end."""

_WHAT = "the file cannot be read"
_NEXT_MOVE = "Check the path and its permissions."


def read_given(path: Path, *, bytes_max: int = -1) -> bytes:
    """The file's bytes, at most the first `bytes_max` (-1: all); raises InputError."""
    try:
        with path.open("rb") as file:
            return file.read(bytes_max)
    except OSError as error:
        raise _refused(path, error, _WHAT, _NEXT_MOVE) from None


def read_given_text(path: Path, *, what: str = _WHAT, next_move: str = _NEXT_MOVE) -> str:
    """The file's UTF-8 text (a byte order mark before it is none of it), its lines ended by newlines.

    Raises InputError, worded by `what` and `next_move`, also for a file of more than `TEXT_BYTES_MAX` bytes.
    """
    try:
        with path.open("rb") as file:
            content = file.read(TEXT_BYTES_MAX + 1)
        # before it is decoded: the cut may go through a character
        if len(content) > TEXT_BYTES_MAX:
            raise InputError(what, where=str(path), why="it is larger than 1 MiB", next_move=next_move)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(path, error, what, next_move) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _refused(path: Path, error: OSError | UnicodeDecodeError, what: str, next_move: str) -> InputError:
    why = "it is not UTF-8 text"
    if isinstance(error, OSError):
        why = error.strerror or str(error) or type(error).__name__
    return InputError(what, where=str(path), why=why, next_move=next_move)
