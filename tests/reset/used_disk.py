"""A disk that was used: file systems in partitions, keys and words wherever somebody might look for them afterwards."""

import sqlite3
import struct
import subprocess
import zlib
from pathlib import Path
from random import Random

MIB = 1 << 20
SIZE = 40 * MIB
CANARY = b"rebox-canary-7f3a"
"""In every place by itself: grep finds each."""
_KEY = b"-----BEGIN PRIVATE KEY-----\n" + CANARY + b"\n-----END PRIVATE KEY-----\n"
_LAYOUT = "label: gpt\nstart=2048, size=32768\nstart=40960, size=24576\n"


def write_used_disk(path: Path, seed: int = 1) -> None:
    """GPT at both ends, ext4 and FAT in partitions, and canaries on all of it: also between and behind them."""
    dice = Random(seed)
    path.write_bytes(b"")
    with path.open("r+b") as disk:
        disk.truncate(SIZE)
    subprocess.run(["sfdisk", "--quiet", "--label", "gpt", str(path)], input=_LAYOUT, text=True, check=True)
    content = path.with_suffix(".content")
    content.mkdir()
    _write_files(content, dice)
    for number, (start, sectors, command) in enumerate(
        ((2048, 32768, ["mkfs.ext4", "-q", "-d", str(content)]), (40960, 24576, ["mkfs.vfat"]))
    ):
        part = path.with_suffix(f".part{number}")
        with part.open("wb") as file:
            file.truncate(sectors * 512)
        subprocess.run([*command, str(part)], check=True, stdout=subprocess.DEVNULL)
        _put(path, start * 512, part.read_bytes())
        part.unlink()
    in_gaps = [(34 + 2) * 512, (2048 + 32768 + 100) * 512, (40960 + 24576 + 7) * 512]
    anywhere = [dice.randrange((40960 + 20000) * 512, (40960 + 24000) * 512) // 512 * 512 for _ in range(5)]
    for offset in [*in_gaps, *anywhere]:
        _put(path, offset, _KEY)
    # the first sector's boot code and the last sector, in the second header's unused part
    _put(path, 0, CANARY)
    _put(path, SIZE - len(CANARY), CANARY)


def found_by_grep(device: Path) -> int:
    """How many canaries there are, and marks of what lay there, read by another hand than ours."""
    patterns = [CANARY.decode(), "EFI PART", "BEGIN PRIVATE KEY", "SQLite format", "FAT16", "FAT12"]
    words = [word for pattern in patterns for word in ("-e", pattern)]
    done = subprocess.run(["grep", "-a", "-o", *words, str(device)], capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return len(done.stdout.splitlines())


def is_zero(device: Path, size: int) -> bool:
    """Every byte, read by cmp."""
    words = ["cmp", "--silent", f"--bytes={size}", str(device), "/dev/zero"]
    return subprocess.run(words, check=False).returncode == 0


def recovered(device: Path, folder: Path) -> set[str]:
    """The kinds of files that photorec brings back from it, from all of it."""
    folder.mkdir()
    commands = "partition_none,options,paranoid,fileopt,everything,enable,wholespace,search"
    words = ["photorec", "/log", "/d", str(folder / "found"), "/cmd", str(device), commands]
    done = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-500:]
    assert "Total:" in (folder / "photorec.log").read_text(errors="replace"), "it has searched"
    return {file.suffix for file in folder.glob("found.*/*") if file.name != "report.xml"}


def _write_files(folder: Path, dice: Random) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(b"".join(b"\0" + dice.randbytes(192) for _ in range(64)))
    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    picture = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + picture)
    (folder / "key.pem").write_bytes(_KEY)
    database = sqlite3.connect(folder / "sessions.db")
    database.execute("create table session (word text)")
    database.executemany("insert into session values (?)", [(CANARY.decode() + str(n),) for n in range(500)])
    database.commit()
    database.close()


def _put(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as disk:
        disk.seek(offset)
        disk.write(content)
