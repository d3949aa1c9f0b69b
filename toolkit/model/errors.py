"""One tree of errors: each names the thing, the place, the reason and the next move; and words for everybody else's."""

import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar


class ReboxError(Exception):
    """What people are told when something cannot be done.

    `what` is a sentence about the thing, `where` the place (a file and line, a box, an address), `why` the reason,
    `next_move` what to do now. None of them may hold a secret. `code` is stable and machine-readable; `exit_status`
    is what the command line ends with.
    """

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", why: str = "", next_move: str = "") -> None:
        self.what = what
        self.where = where
        self.why = why
        self.next_move = next_move
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.why:
            text += f": {self.why}"
        if self.next_move:
            text += f". {self.next_move}"
        return text

    def as_json(self) -> dict[str, str]:
        """The error as one flat object, for `--json` and for evidence."""
        return {
            "error": self.code,
            "what": self.what,
            "where": self.where,
            "why": self.why,
            "next_move": self.next_move,
        }


class InputError(ReboxError):
    """The command line, a file or a value given by people is wrong."""

    code = "input"
    exit_status = 2


class RefusedError(ReboxError):
    """A gate or a lock does not let this happen now."""

    code = "refused"
    exit_status = 3


class UnknownStateError(ReboxError):
    """It could not be told whether something holds; unknown blocks."""

    code = "unknown"
    exit_status = 4


class DamagedRecordError(UnknownStateError):
    """A record of what was done is not what was written: nothing goes on before somebody has found out from the world.

    `why` says where the damage is, up to where the record is believed, and what is not known.
    """

    code = "damaged"


class UnreachableError(ReboxError):
    """A box, a server or a resolver does not answer."""

    code = "unreachable"


class AuthenticationError(ReboxError):
    """A peer refuses our credentials, or is not who it should be."""

    code = "authentication"


class ApplianceError(ReboxError):
    """A box answered that it cannot or will not do something."""

    code = "appliance"


class PermissionDeniedError(ReboxError):
    """The operating system does not give this process the right it needs, e.g. to open raw sockets."""

    code = "permission"
    exit_status = 2


class CertificateError(ReboxError):
    """A certificate, key or chain cannot be used."""

    code = "certificate"


class BackupError(ReboxError):
    """A backup or an archive is damaged, incomplete or cannot be opened."""

    code = "backup"


class MediaError(ReboxError):
    """A stick was pulled out, is full, or does not read or write."""

    code = "media"


class StorageError(ReboxError):
    """A file cannot be written or kept: no space, no permission, not the same device."""

    code = "storage"


class VerificationError(ReboxError):
    """What was read back is not what was meant to be there."""

    code = "verification"


class InternalError(ReboxError):
    """The toolkit itself is at fault; nothing a person did or can do differently."""

    code = "internal"


_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (TimeoutError, "it took longer than its time limit"),
    (ConnectionRefusedError, "the connection was refused"),
    (ConnectionResetError, "the connection was reset by the other side"),
    (ConnectionAbortedError, "the connection was broken off"),
    (BrokenPipeError, "the other side has closed the connection"),
    (ConnectionError, "the connection failed"),
    (FileNotFoundError, "there is no such file"),
    (PermissionError, "permission denied"),
    (EOFError, "it ended before it was whole"),
    (MemoryError, "there is not enough memory"),
    (RecursionError, "it is nested too deeply"),
    (KeyboardInterrupt, "it was interrupted"),
)
"""What errors mean that are raised without a word, the special before the general."""


def words_of(error: BaseException) -> str:
    """Why something failed, in words; never empty, whatever was raised.

    What the system or the library said comes first. An error without words is explained by what it was raised from,
    by what its kind means, or at least by its kind and the line that raised it.
    """
    chain = list(_chain(error))
    words = (*map(_said, chain), *map(_meaning, chain))
    return next(filter(None, words), "") or f"{type(error).__name__}{_raised_at(error)}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and, after it, what it was raised from."""
    seen: set[int] = set()
    follows: BaseException | None = error
    while follows is not None and id(follows) not in seen:
        seen.add(id(follows))
        yield follows
        if isinstance(follows, BaseExceptionGroup):
            follows = follows.exceptions[0]
        else:
            follows = follows.__cause__ or (None if follows.__suppress_context__ else follows.__context__)


def _said(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return ""  # it says how many there are, not what happened
    if isinstance(error, OSError) and error.strerror:
        # asyncio puts the address there instead
        if error.errno and error.strerror.startswith("Connect call failed"):
            return os.strerror(error.errno)
        return error.strerror
    said = str(error).strip()
    # a bare key says nothing
    return f"KeyError: {said}" if said and isinstance(error, KeyError) else said


def _meaning(error: BaseException) -> str:
    return next((words for kind, words in _WORDS if isinstance(error, kind)), "")


def _raised_at(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
