"""Overwrites a disk with zeros, and reads it back; the mark of a wipe that was begun stays until all was read."""

from collections.abc import Callable, Sequence

from toolkit.disks.device import Device, Progress
from toolkit.disks.pieces import LONG_PIECE, PIECE, Span, in_flight, pieces
from toolkit.disks.refusal import Failed
from toolkit.disks.sampling import covered


def begin(device: Device) -> bool:
    """Marks the disk and lets it forget what it can; whether it has that."""
    device.mark()
    discarded = device.discard()
    if discarded:
        device.mark()
    return discarded


def write_zeros(device: Device, progress: Progress) -> None:
    """Everything but the beginning, where the mark is."""
    progress(0.0)
    with in_flight(device.overwrite, pieces(PIECE, device.size_bytes, LONG_PIECE)) as written:
        for offset, length, _ in written:
            progress((offset + length) / device.size_bytes)
    device.settle()


def read_zeros(device: Device, spans: Sequence[Span], progress: Progress) -> int:
    """Reads the spans, takes the mark away, and reads there last; how many bytes were read.

    Raises Failed at the first that is not zero, Unknown where nothing can be read.
    """
    head = min(PIECE, device.size_bytes)
    rest = [(max(begin, head), begin + size - max(begin, head)) for begin, size in spans if begin + size > head]
    total = covered(rest) + head
    _must_be_zero(device, rest, lambda done: progress(done / total))
    device.overwrite(0, head)
    device.settle()
    # the beginning is read whole also where only samples are wanted: what lay there finds all the rest
    _must_be_zero(device, [(0, head)], lambda _: None)
    progress(1.0)
    return total


def _must_be_zero(device: Device, spans: Sequence[Span], read: Callable[[int], None]) -> None:
    left = device.first_left(spans, read)
    if left is not None:
        raise Failed(f"the disk is not wiped: byte {left:,} is not zero")
