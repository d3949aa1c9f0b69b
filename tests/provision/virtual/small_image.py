"""An image in 4 MiB: a boot sector that says a few words on the serial port and halts; a real guest within a second."""

import hashlib
from pathlib import Path

from toolkit.images.manifest import DISK, INITRD, KERNEL, MANIFEST, Manifest, records

ADDRESS = "10.79.0.12"
CERTIFICATE = hashlib.sha256(b"the box's certificate").hexdigest()
ANNOUNCED = f"certificate sha256: {CERTIFICATE} on {ADDRESS}\r\n"
MIB = 1 << 20


def boot_sector(words: str) -> bytes:
    """Machine code for a PC's BIOS: sends `words` to the first serial port, then halts."""
    before = bytes.fromhex(
        "fa 31c0 8ed8"  # no interrupts; ds = 0
        "be 217c"  # si = the words, which lie behind these 33 bytes at 0x7c00
        "ac 84c0 7411"  # next: al = [si], si += 1; zero: halt
        "88c4"  # ah = al
        "bafd03 ec a820 74f8"  # wait: dx = 0x3fd; until the port takes a byte
        "88e0 b2f8 ee"  # al = ah; dx = 0x3f8; send it
        "ebea"  # next
        "f4 ebfd"  # halt, for ever
    )
    program = before + words.encode() + b"\0"
    assert len(program) <= 446, "the words are too many"
    return program.ljust(510, b"\0") + b"\x55\xaa"


def small_image(folder: Path, words: str = ANNOUNCED) -> Path:
    """Makes the image's folder."""
    folder.mkdir(parents=True)
    with (folder / DISK).open("wb") as disk:
        disk.write(boot_sector(words))
        disk.seek(2 * MIB)
        disk.write(b"something in the middle")
        disk.truncate(4 * MIB)
    (folder / KERNEL).write_bytes(b"no kernel")
    (folder / INITRD).write_bytes(b"no initrd")
    manifest = Manifest(
        name="small",
        description="says a few words",
        recipe_sha256="0" * 64,
        kernel_version="none",
        command_line="quiet",
        root_uuid="none",
        build_seconds=0.0,
        files=records(folder / name for name in (DISK, KERNEL, INITRD)),
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return folder
