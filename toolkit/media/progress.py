"""How far a stick is written or read, by the bytes that have gone by."""

from collections.abc import Callable

from toolkit.model.execution import Progress

_NEARLY = 0.999  # done is told at the end, when all was proven


class Counted:
    """Counts towards a number of bytes that is known before."""

    def __init__(self, progress: Progress, total_bytes: int) -> None:
        self._progress, self._total, self._done = progress, max(1, total_bytes), 0

    def add(self, count: int, phase: str) -> None:
        """As many bytes more."""
        self._done += count
        self._progress(min(_NEARLY, self._done / self._total), phase)

    def counter(self, phase: str) -> Callable[[bytes], None]:
        """What counts the pieces it is given."""
        return lambda piece: self.add(len(piece), phase)
