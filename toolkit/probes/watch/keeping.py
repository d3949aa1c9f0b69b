"""What a watch keeps on disk, within limits: the newest samples, in segments, and the capture around events.

A day at a thousand probes a second would be 2 GB of samples; what they come to is in the tally, which the state file
keeps whatever becomes of them.
"""

import os
from collections.abc import Callable
from pathlib import Path

from toolkit.probes.watch.tally import Tally

SEGMENT_BYTES = 128 * 1024
SEGMENTS_KEPT = 128
"""Of every method: 16 MiB, the last 11 minutes at a thousand probes a second."""

CAPTURE_SEGMENT_BYTES_MAX = 2 * 2**20
_RING = 3


class SpoiltError(Exception):
    """What came can no longer be kept; its text says why."""


def segment(directory: Path, name: str, number: int) -> Path:
    """The file of one segment: "icmp.000003.samples", "capture.000000.pcapng"."""
    stem, _, suffix = name.partition(".")
    return directory / f"{stem}.{number:06}.{suffix}"


def segment_number(path: Path) -> int:
    """The number in a segment's name."""
    return int(path.name.split(".")[1])


class _Appended:
    """Files of one name, numbered; only the last of them is written to."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory, self._name = directory, name
        self.number = 0
        self.size = 0
        self._file = self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(segment(self._directory, self._name, self.number), flags, 0o644)

    def append(self, data: bytes) -> None:
        """All of it or nothing; raises SpoiltError."""
        try:
            written = os.write(self._file, data)
        except OSError as error:
            raise SpoiltError(error.strerror) from error
        if written != len(data):
            os.ftruncate(self._file, self.size)
            raise SpoiltError("no space is left on the device")
        self.size += written

    def next(self) -> None:
        """Goes on in a new file; raises SpoiltError."""
        self.number += 1
        try:
            after = self._open()
        except OSError as error:
            self.number -= 1
            raise SpoiltError(error.strerror) from error
        os.close(self._file)
        self._file, self.size = after, 0

    def remove(self, number: int) -> None:
        segment(self._directory, self._name, number).unlink(missing_ok=True)


class Lines:
    """Lines that are written now and then: one file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.count = 0

    def add(self, message: bytes) -> None:
        """Appends whole lines; raises SpoiltError."""
        self.count += 1
        try:
            whole = os.write(self._file, message) == len(message)
        except OSError as error:
            raise SpoiltError(error.strerror) from error
        if not whole:
            raise SpoiltError("no space is left on the device")


class Samples:
    """One method's samples: counted, and the newest of them kept as they are."""

    def __init__(self, directory: Path, name: str, tally: Tally) -> None:
        self.tally = tally
        self._files = _Appended(directory, name)
        self._spoilt = False

    def add(self, message: bytes) -> None:
        """Counts whole samples and appends them; raises SpoiltError, once: they go on being counted."""
        self.tally.feed(message)
        if self._spoilt:
            return
        try:
            self._files.append(message)
            if self._files.size >= SEGMENT_BYTES:
                self._files.next()
                self._files.remove(self._files.number - SEGMENTS_KEPT)
        except SpoiltError:
            self._spoilt = True
            raise

    @property
    def place(self) -> tuple[int, int]:
        """Up to where the tally has counted: the segment, and the bytes of it."""
        return self._files.number, self._files.size

    def as_json(self) -> dict[str, object]:
        """For the state file."""
        return {"place": self.place, "tally": self.tally.as_json()}


class Capture:
    """The first frames, the last ones, and those around every event, within a number of bytes.

    `events` counts what has happened so far: a segment in which, or beside which, it has grown is kept as long as there
    is room; of the others the last few. What comes first is what the head of the file says.
    """

    def __init__(self, directory: Path, name: str, bytes_max: int, events: Callable[[], int]) -> None:
        self._files = _Appended(directory, name)
        self._segment_bytes = min(CAPTURE_SEGMENT_BYTES_MAX, bytes_max // 16)
        self._pinned_max = bytes_max // self._segment_bytes - _RING - 1
        self._events = events
        self._seen = events()
        self._pinned = {0}
        self._head = b""
        self._spoilt = False

    def add(self, message: bytes) -> None:
        """Appends whole blocks; raises SpoiltError."""
        self._head = self._head or message
        if self._spoilt:
            return
        try:
            if self._files.size and self._files.size + len(message) > self._segment_bytes:
                self._turn()
            self._files.append(message)
        except SpoiltError:
            self._spoilt = True
            raise

    def _turn(self) -> None:
        number, happened = self._files.number, self._events()
        if happened != self._seen:
            self._seen = happened
            # it may have begun in the one before, and what follows shows how it ended
            for one in (number, max(number - 1, 0), number + 1):
                if len(self._pinned) < self._pinned_max:
                    self._pinned.add(one)
        self._files.next()
        self._files.append(self._head)
        leaving = number - _RING + 1
        if leaving >= 0 and leaving not in self._pinned:
            self._files.remove(leaving)
