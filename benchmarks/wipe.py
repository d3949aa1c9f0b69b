"""Wiping a disk and reading all of it back: ours, dd with cmp, and nwipe; beside what the disk itself allows."""

import mmap
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.arena import Arena, Row, compare, not_measured, timed_ms
from toolkit.disks.erase import Erased, Order, erase, opened
from toolkit.disks.facts import disk_at, disks
from toolkit.disks.identity import Meant
from toolkit.disks.in_use import Rules

SIZE = 512 << 20
ROUNDS = 5
_PIECE = 4 << 20
_WORK = f"wipe and full read-back, {SIZE / 1e6:.0f} MB"
NOTE = (
    "a loop device whose file is read and written past the kernel's memory; the same bytes for all: written once, synced, "
    "read once and compared"
)


def run(_arena: Arena) -> list[Row]:
    """MB of disk per second; without root no loop device can be attached, and every row says so."""
    peers = ("dd + cmp", "nwipe", "the disk's own limit")
    if os.geteuid() != 0:
        return [not_measured(_WORK, peer, "only root can attach a loop device", unit="MB/s") for peer in peers]
    with TemporaryDirectory(prefix="rebox-bench-") as name:
        file = Path(name) / "disk.raw"
        fill(file)
        with attached(file) as device:
            ours = with_ours(device, file)
            return [
                _row(ours, with_dd(device), peers[0], 1.2),
                _row(ours, with_nwipe(device, Path(name)), peers[1], None),
                _row(ours, limit(device), peers[2], 0.8),
            ]


def _row(ours: Callable[[], None], peer: Callable[[], None], peer_name: str, goal: float | None) -> Row:
    megabytes = SIZE / 1e6
    return compare(
        _WORK,
        lambda: megabytes / (timed_ms(ours) / 1000),
        lambda: megabytes / (timed_ms(peer) / 1000),
        peer_name=peer_name,
        goal=goal,
        unit="MB/s",
        better="more",
        rounds=ROUNDS,
        note=NOTE,
    )


def fill(file: Path) -> None:
    """With bytes that are no zeros, so that nothing is a hole."""
    with file.open("wb") as content:
        for _ in range(SIZE // _PIECE):
            content.write(os.urandom(_PIECE))
        os.fsync(content.fileno())


@contextmanager
def attached(file: Path) -> Iterator[Path]:
    """The file as a block device that keeps nothing in memory, as a disk does not."""
    words = ["losetup", "--find", "--show", "--direct-io=on", str(file)]
    device = Path(subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip())
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", str(device)], check=True)


def with_ours(device: Path, file: Path) -> Callable[[], None]:
    """All that `rebox reset disk` does: the never-wipe list too, and the mark of a wipe that was begun."""
    rules = Rules(planned=[str(file)], own=[Path("/")])

    def wipe() -> None:
        meant = Meant.seen(disk_at(Path("/sys/class/block") / device.name))
        with opened(meant, rules, lambda: disks(loops=True)) as (disk, opened_device):
            erased = erase(Erased(disk), opened_device, Order("overwrite"), lambda _: lambda _: None)
        if erased.result != "passed" or erased.bytes_read != SIZE:
            raise RuntimeError(erased.reason)

    return wipe


def with_dd(device: Path) -> Callable[[], None]:
    """What people write by hand; the cache is emptied of the disk so that cmp reads the disk."""
    script = (
        'dd if=/dev/zero of="$1" bs=4M oflag=direct conv=fsync status=none count=$(($2 / 4194304)) '
        '&& blockdev --flushbufs "$1" && cmp --bytes="$2" "$1" /dev/zero'
    )

    def wipe() -> None:
        subprocess.run(["bash", "-ec", script, "bash", str(device), str(SIZE)], check=True)

    return wipe


def with_nwipe(device: Path, folder: Path) -> Callable[[], None]:
    """Zeros once, verified, no blanking after it; it wipes the device named, and no other."""
    words = ["nwipe", "--autonuke", "--nogui", "--nowait", "--noblank", "--method=zero", "--verify=last"]
    words += ["--logfile", str(folder / "nwipe.log"), str(device)]

    def wipe() -> None:
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    return wipe


def limit(device: Path) -> Callable[[], None]:
    """O_DIRECT in pieces of 4 MiB, once in each direction, and nothing looked at."""

    def wipe() -> None:
        descriptor = os.open(device, os.O_RDWR | os.O_DIRECT)
        piece = mmap.mmap(-1, _PIECE)
        try:
            for offset in range(0, SIZE, _PIECE):
                os.pwrite(descriptor, piece, offset)
            os.fsync(descriptor)
            for offset in range(0, SIZE, _PIECE):
                os.preadv(descriptor, [piece], offset)
        finally:
            os.close(descriptor)

    return wipe
