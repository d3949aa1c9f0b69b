"""Overwrites a disk with zeros, and reads it back; the mark of a wipe that was begun stays until all was read."""

from collections.abc import Sequence

from toolkit.disks.device import LONG_PIECE, PIECE, Device, Progress, pieces
from toolkit.disks.refusal import Failed
from toolkit.disks.sampling import Span


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
    for offset, length in pieces(PIECE, device.size_bytes, LONG_PIECE):
        device.overwrite(offset, length)
        progress((offset + length) / device.size_bytes)
    device.settle()


def read_zeros(device: Device, spans: Sequence[Span], progress: Progress) -> int:
    """Reads the spans, takes the mark away, and reads there last; how many bytes were read.

    Raises Failed at the first that is not zero, Unknown where nothing can be read.
    """
    total = sum(size for _, size in spans) or 1
    head = min(PIECE, device.size_bytes)
    done = 0
    for begins, size in spans:
        for offset, length in pieces(max(begins, head), begins + size, LONG_PIECE):
            _must_be_zero(device, offset, length)
            progress(min((done + offset + length - begins) / total, 1.0))
        done += size
    device.overwrite(0, head)
    device.settle()
    # the beginning is read whole also where only samples are wanted: what lay there finds all the rest
    _must_be_zero(device, 0, head)
    progress(1.0)
    return sum(max(0, begins + size - max(begins, head)) for begins, size in spans) + head


def _must_be_zero(device: Device, offset: int, length: int) -> None:
    if not device.is_zero(offset, length):
        raise Failed(f"the disk is not wiped: something is left after byte {offset}")
