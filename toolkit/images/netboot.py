"""The installer for machines that start over the network: a kernel, and one initrd that holds what lay on the ISO."""

import re
from dataclasses import dataclass
from pathlib import Path

from toolkit.images.archives import Entry, cpio
from toolkit.images.iso9660 import Place, find_file
from toolkit.images.iso_image import IMAGE_FACTS, IMAGE_FILE, JOB_FILE
from toolkit.model.errors import InputError
from toolkit.storage.errors import storage_error
from toolkit.storage.whole_file import WholeFile, write_whole

KERNEL, INITRD, SCRIPT = "vmlinuz", "initrd", "boot.ipxe"
_FOLDER = "medium"
"""Where the installer looks before it looks for a drive: `toolkit.installer.medium.FOLDER`."""
_MEDIUM = (JOB_FILE, IMAGE_FACTS, IMAGE_FILE)
_COMMAND_LINE = re.compile(r"^\s*APPEND (?P<words>[ -~]+)$", re.MULTILINE)
_NOT_WRITTEN = "the installer for the network cannot be written"


@dataclass(frozen=True)
class Netboot:
    """What a boot server hands out: in `folder` a kernel, an initrd and a script for iPXE that names both."""

    folder: Path
    command_line: str


def write_netboot(iso: Path, folder: Path) -> Netboot:
    """Takes an installer's ISO apart, with the job on it; files of mode 0600, for they hold what the job holds.

    The medium comes first in the initrd, not compressed, as early microcode does (Linux, buffer-format): every
    loader that knows one initrd can start it. Raises InputError, StorageError.
    """
    config = _read(iso, find_file(iso, "isolinux/isolinux.cfg")).decode("ascii", errors="replace")
    found = _COMMAND_LINE.search(config)
    if found is None:
        raise InputError(
            "this ISO does not say how its kernel starts", where=str(iso), next_move="Build the installer anew."
        )
    kernel, initrd = find_file(iso, "boot/vmlinuz"), find_file(iso, "boot/initrd")
    medium = [Entry(f"{_FOLDER}/{name}", _read(iso, find_file(iso, name))) for name in _MEDIUM]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error, what=_NOT_WRITTEN) from None
    write_whole(folder / KERNEL, _read(iso, kernel), what=_NOT_WRITTEN)
    with WholeFile(folder / INITRD, what=_NOT_WRITTEN) as target:
        target.write(cpio(medium, 0))
        target.write(_read(iso, initrd))
        target.commit()
    command_line = found["words"].strip()
    script = f"#!ipxe\nkernel {KERNEL} initrd={INITRD} {command_line}\ninitrd {INITRD}\nboot\n"
    write_whole(folder / SCRIPT, script.encode("ascii"), what=_NOT_WRITTEN)
    return Netboot(folder, command_line)


def _read(iso: Path, place: Place) -> bytes:
    with iso.open("rb") as file:
        file.seek(place.offset)
        return file.read(place.size_bytes)
