"""An ISO that starts by BIOS in a second and says on the serial port what an installer says; there is no system in it.

It stands in for the real installer where a test is about the BMC: what is written to a disk, others test.
"""

import shutil
import subprocess
from pathlib import Path

_AT = 0x7C00  # where a BIOS loads it (El Torito 1.0, section 2.0)
_BYTES = 4 * 512


def program(text: bytes, *, ends: bool) -> bytes:
    """16-bit code: the text to the first serial port, then off (PIIX4's PM1a control register), or still for ever."""
    off = b"\xba\x04\x06\xb8\x00\x20\xef"  # mov dx, 0x604; mov ax, 0x2000; out dx, ax
    still = b"\xfa\xf4\xeb\xfd"  # cli; hlt; jmp hlt
    end = (off if ends else b"") + still
    say = (
        b"\xac"  # lodsb
        b"\x84\xc0"
        b"\x74\x12"  # test al, al; jz past the loop
        b"\x88\xc4"  # mov ah, al
        b"\xba\xfd\x03"
        b"\xec"
        b"\xa8\x20"
        b"\x74\xfb"  # mov dx, 0x3fd; in al, dx; test al, 0x20; jz in
        b"\x88\xe0"
        b"\xba\xf8\x03"
        b"\xee"  # mov al, ah; mov dx, 0x3f8; out dx, al
        b"\xeb\xe9"  # jmp lodsb
    )
    begin = b"\x31\xc0\x8e\xd8\xfc"  # xor ax, ax; mov ds, ax; cld
    where = _AT + len(begin) + 3 + len(say) + len(end)
    return begin + b"\xbe" + where.to_bytes(2, "little") + say + end + text + b"\0"


def lines(*events: str) -> str:
    return "".join(f"rebox-installer: {event}\r\n" for event in events)


STARTED = '{"phase": "started"}'
DONE = lines(STARTED, '{"phase": "write", "fraction": 0.5}', '{"phase": "done", "action": "install"}')
WIPED = lines(STARTED, '{"phase": "done", "action": "wipe", "disk_serial": "DISK-1", "bytes_read": 67108864}')
REFUSED = lines(STARTED, '{"phase": "refused", "reason": "no disk has the serial number DISK-9"}')
DIES = lines(STARTED) + "Oops: a fault in the disk\r\n"


def write_tiny_iso(target: Path, text: str, *, ends: bool = True) -> None:
    """Writes the ISO: it says `text`; the machine then goes off, or hangs unless it `ends`."""
    tree = target.with_suffix(".tree")
    tree.mkdir()
    code = program(text.encode(), ends=ends)
    assert len(code) <= _BYTES
    (tree / "boot.bin").write_bytes(code.ljust(_BYTES, b"\0"))
    subprocess.run(
        ["xorriso", "-as", "mkisofs", "-quiet", "-output", target, "-eltorito-boot", "boot.bin",
         "-eltorito-catalog", "boot.cat", "-no-emul-boot", "-boot-load-size", "4", tree],
        check=True, capture_output=True,
    )  # fmt: skip
    shutil.rmtree(tree)
