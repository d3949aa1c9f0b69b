"""Files that people name: read, or refused in words that say what to give instead."""

from pathlib import Path

from toolkit.model.errors import InputError

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
    """The file's UTF-8 text, its lines ended by newlines; raises InputError, worded by `what` and `next_move`."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(path, error, what, next_move) from None


def _refused(path: Path, error: OSError | UnicodeDecodeError, what: str, next_move: str) -> InputError:
    why = "it is not UTF-8 text"
    if isinstance(error, OSError):
        why = error.strerror or str(error) or type(error).__name__
    return InputError(what, where=str(path), why=why, next_move=next_move)
