"""What the kernel remembers of a device: emptied, and seen to be empty, before a device is believed."""

import ctypes
import mmap
import os
import time
from pathlib import Path

from toolkit.disks.liveness import LiveDevice
from toolkit.disks.volumes import Damaged

_PAGE = mmap.PAGESIZE
_WINDOW = 1 << 30
_SECONDS_MAX, _INTERVAL_SECONDS = 5.0, 0.05

_MOUNTS = Path("/proc/self/mountinfo")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)


def forget(device: LiveDevice) -> None:
    """What is read next comes from the device; raises Damaged when the kernel keeps something, Failed, Gone.

    Others may look at a device just when it was written (udev does): a few looks are taken.
    """
    deadline = time.monotonic() + _SECONDS_MAX
    while True:
        device.check()
        device.flush()
        if device.is_file and _lies_in_memory(device.number[0]):
            return
        kept = remembered_bytes(device)
        if not kept:
            return
        if time.monotonic() > deadline:
            raise Damaged(
                f"the kernel keeps {kept} bytes of {device.path} in memory: what it holds cannot be read from itself"
            )
        time.sleep(_INTERVAL_SECONDS)


def _lies_in_memory(number: int) -> bool:
    """Whether the file system of this number is memory by nature: an image file there has no disk to be read from."""
    name = f"{os.major(number)}:{os.minor(number)}"
    lines = map(str.split, _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines())
    return any(words[2] == name and words[words.index("-") + 1] in {"tmpfs", "ramfs"} for words in lines)


def remembered_bytes(device: LiveDevice) -> int:
    """How much of the device lies in memory (mincore(2)); to who may not write it the kernel says: all."""
    size = device.opened_as.size_bytes
    return sum(_resident(device.descriptor, begin, min(_WINDOW, size - begin)) for begin in range(0, size, _WINDOW))


def _resident(descriptor: int, begin: int, length: int) -> int:
    address = _libc.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, begin)
    if address == ctypes.c_void_p(-1).value:
        raise Damaged(f"it cannot be told what the kernel remembers: {os.strerror(ctypes.get_errno())}")
    pages = ctypes.create_string_buffer(-(-length // _PAGE) + 1)
    try:
        if _libc.mincore(address, length, pages):
            raise Damaged(f"it cannot be told what the kernel remembers: {os.strerror(ctypes.get_errno())}")
    finally:
        _libc.munmap(address, length)
    return (len(pages.raw) - 1 - pages.raw.count(0, 0, len(pages.raw) - 1)) * _PAGE
