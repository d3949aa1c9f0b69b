"""Opens a volume in the way that this machine can: mounted for us alone, or without mounting it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from toolkit.disks.liveness import LiveDevice
from toolkit.disks.mounted import Mounted, NoFileSystemError
from toolkit.disks.mtools import Mtools
from toolkit.disks.page_cache import forget
from toolkit.disks.refusal import Refused
from toolkit.disks.volumes import KINDS, FileSystem, Volume, lent


@contextmanager
def open_volume(file_system: FileSystem, *, writing: bool) -> Iterator[Volume]:
    """For reading: what is read then comes from the device, not from memory. Raises Refused, Failed, Gone."""
    if not writing:
        device = LiveDevice(file_system.path, writing=False)
        try:
            forget(device)
        finally:
            device.close()
    with lent(opened(file_system, writing=writing)) as volume:
        yield volume


def opened(file_system: FileSystem, *, writing: bool) -> Volume:
    """In the way that goes; to be closed. Raises Refused, Failed, Gone."""
    if file_system.kind not in KINDS:
        what = file_system.kind or "no file system that is known"
        raise Refused(f"{file_system.path} has {what}: only {', '.join(KINDS)} are read and written; format it")
    is_device = stat.S_ISBLK(file_system.path.stat().st_mode)
    if file_system.kind == "vfat":
        if is_device and not file_system.offset_bytes and os.geteuid() == 0:
            with suppress(NoFileSystemError):
                return Mounted(file_system, writing=writing)
        return Mtools(file_system, writing=writing)
    if not is_device:
        raise Refused(
            f"{file_system.path} is an image with {file_system.kind}: only vfat is used without a device; "
            "attach it with losetup, and name the loop device"
        )
    return Mounted(file_system, writing=writing)
