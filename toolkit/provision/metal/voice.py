"""What the installer and, after it, the new box say: lines on the machine's console, or reports by HTTPS."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.model.errors import InputError, words_of
from toolkit.provision.metal.media_server import MediaServer

Event = Mapping[str, Any]

_WORD = b"rebox-installer: "
_READ_MAX = 4 << 20
_TAIL_BYTES, _TAIL_LINES = 4096, 12
# as the box says it (docs/images.md)
_ANNOUNCED = re.compile(rb"certificate sha256: ([0-9a-f]{64})\b")


class Console:
    """The file in which a machine's serial console is kept, read from `offset` on; it may be begun anew meanwhile."""

    def __init__(self, file: Path, offset: int = 0) -> None:
        self.file = file
        self.offset = offset
        self._rest = b""

    @classmethod
    def from_now(cls, file: Path) -> "Console":
        """What is said from now on; raises InputError when the file cannot be read."""
        return cls(file, _size(file))

    def lines(self) -> list[bytes]:
        """The whole lines that have come since the last call."""
        size = _size(self.file)
        if size < self.offset:
            self.offset, self._rest = 0, b""
        content = _read(self.file, self.offset, min(size - self.offset, _READ_MAX))
        self.offset += len(content)
        *lines, self._rest = (self._rest + content).split(b"\n")
        self._rest = self._rest[-_TAIL_BYTES:]
        return [line.rstrip(b"\r") for line in lines]

    def tail(self) -> str:
        """Its last lines, for an error."""
        size = _size(self.file)
        begin = max(size - _TAIL_BYTES, 0)
        text = _read(self.file, begin, size - begin).decode("utf-8", errors="replace")
        printable = ("".join(c for c in line if c.isprintable()) for line in text.splitlines())
        return " | ".join(line for line in list(printable)[-_TAIL_LINES:] if line.strip())


class Voice:
    """All that the installer says, in the order it is heard; the same may be heard by both ways."""

    def __init__(self, media: MediaServer, console: Console | None) -> None:
        self._media = media
        self._console = console
        self._heard = 0

    def events(self) -> list[Event]:
        """What is new."""
        reported = self._media.reports(self._heard)
        self._heard += len(reported)
        said = [event for line in self._console.lines() if (event := _event(line))] if self._console else []
        return [*reported, *said]

    def tail(self) -> str:
        """The end of the console, where there is one."""
        return self._console.tail() if self._console else ""


def announced(lines: list[bytes]) -> str | None:
    """The fingerprint of the certificate that a box says it serves; the last one counts."""
    found = [match.group(1).decode() for line in lines if (match := _ANNOUNCED.search(line))]
    return found[-1] if found else None


def _event(line: bytes) -> Event | None:
    _, word, text = line.partition(_WORD)
    try:
        event = json.loads(text) if word else None
    except ValueError:
        return None  # a line into which the kernel spoke
    return event if isinstance(event, dict) else None


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0  # a console server makes it with the first line
    except OSError as error:
        raise _unreadable(file, error) from None


def _read(file: Path, offset: int, size: int) -> bytes:
    if size <= 0:
        return b""
    try:
        with file.open("rb") as opened:
            opened.seek(offset)
            return opened.read(size)
    except OSError as error:
        raise _unreadable(file, error) from None


def _unreadable(file: Path, error: OSError) -> InputError:
    return InputError(
        "the machine's console cannot be read",
        where=str(file),
        why=words_of(error),
        next_move="Correct console_file, or its permissions.",
    )
