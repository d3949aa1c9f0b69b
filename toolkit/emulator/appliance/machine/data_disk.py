"""The box's data: known by label, made only on a blank disk (or its partition) with the serial number ordered."""

import ctypes
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from toolkit.emulator.appliance.machine.block_devices import BlockDevice, is_blank, label
from toolkit.model.errors import InputError, ReboxError

DATA_LABEL = "rebox-data"
SEED_LABEL = "REBOX-SEED"
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_NOATIME = 1, 2, 4, 8, 1024
_SAFE = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC


def labelled(devices: Sequence[BlockDevice], wanted: str) -> BlockDevice | None:
    """The one device with this label; InputError when several have it: which is meant cannot be told."""
    found = [device for device in devices if (label(device.path) or ("", ""))[1].upper() == wanted.upper()]
    if len(found) > 1:
        places = ", ".join(f"{device.path} ({device.serial or 'no serial number'})" for device in found)
        raise InputError(
            f"several disks are labelled {wanted}",
            where=places,
            why="which of them is this box's cannot be told",
            next_move="Leave one of them in the machine, and start it again.",
        )
    return found[0] if found else None


def new_data_disk(
    devices: Sequence[BlockDevice], serial: str, make: Callable[[Path], None] | None = None
) -> BlockDevice:
    """The blank disk with this serial number, made into the data disk; one that holds anything is never written to.

    A disk may have a partition named like the label instead: then only that is looked at and made. Raises InputError.
    """
    meant = [device for device in devices if device.serial == serial]
    found = [device for device in meant if device.is_partition and device.name == DATA_LABEL]
    found = found or [device for device in meant if not device.is_partition]
    if len(found) != 1:
        seen = ", ".join(f"{one.path} ({one.serial or 'no serial number'})" for one in devices if not one.is_partition)
        how_many = "several have" if found else "none has"
        raise InputError(
            f"no disk is labelled {DATA_LABEL}, and {how_many} the serial number {serial}",
            where=seen or "no disks",
            next_move="Attach one blank disk with this serial number, or name its serial number in the seed.",
        )
    if not is_blank(found[0]):
        raise InputError(
            "the disk for the box's data is not blank",
            where=f"{found[0].path} ({serial})",
            why="something lies on it, and it is not labelled as this box's data",
            next_move="Attach a blank disk, or wipe this one if nothing on it is needed.",
        )
    (make or _make)(found[0].path)
    return found[0]


def mount(device: Path, folder: Path, kind: str, *, read_only: bool = False) -> None:
    """mount(2); a folder that is mounted already is left as it is. Raises ReboxError."""
    folder.mkdir(parents=True, exist_ok=True)
    if folder.is_mount():
        return
    flags = _SAFE | (_MS_RDONLY if read_only else _MS_NOATIME)
    library = ctypes.CDLL(None, use_errno=True)
    if library.mount(os.fsencode(device), os.fsencode(folder), kind.encode(), ctypes.c_ulong(flags), None):
        raise ReboxError("a disk cannot be mounted", where=f"{device} ({kind})", why=os.strerror(ctypes.get_errno()))


def unmount(folder: Path) -> None:
    """umount2(2); what is in use goes once it is not."""
    ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(folder), 2)


def _make(device: Path) -> None:
    try:
        subprocess.run(
            # -F: a whole disk, no partition; the zeros of a blank disk need no writing again
            [
                "mkfs.ext4",
                "-q",
                "-F",
                "-L",
                DATA_LABEL,
                "-m",
                "0",
                "-E",
                "nodiscard,assume_storage_prezeroed=1",
                device,
            ],
            check=True,
            capture_output=True,
        )
    except subprocess.CalledProcessError as error:
        why = error.stderr.decode(errors="replace").strip()
        raise ReboxError("the disk for the box's data cannot be prepared", where=str(device), why=why) from None
