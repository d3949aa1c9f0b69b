"""Overwrites a disk with zeros, and reads all of it back."""

from toolkit.disks.device import PIECE, ZEROS, Device, Progress, pieces
from toolkit.disks.refusal import Failed


def write_zeros(device: Device, progress: Progress) -> bool:
    """Everything; the beginning last, so that a wipe that is cut off is known as such. Whether it discarded first."""
    device.mark()
    discarded = device.discard()
    if discarded:
        device.mark()
    for offset, length in pieces(PIECE, device.size_bytes):
        device.overwrite(offset, length)
        progress((offset + length) / device.size_bytes)
    device.settle()
    device.overwrite(0, min(PIECE, device.size_bytes))
    device.settle()
    return discarded


def read_zeros(device: Device, progress: Progress) -> int:
    """How many bytes were read, which is all; raises Failed at the first that is not zero."""
    for offset, length in pieces(0, device.size_bytes):
        if device.read(offset, length) != ZEROS[:length]:
            raise Failed(f"the disk is not wiped: something is left after byte {offset}")
        progress((offset + length) / device.size_bytes)
    return device.size_bytes
