"""Real block devices for tests: loop devices over image files, and one whose disk fails when it is told to."""

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from toolkit.disks.facts import Disk, disk_at

only_root = pytest.mark.root
"""Only root can attach a loop device; what goes without one runs for ordinary users too, on image files."""

LOOP_CHANGE_FD = 0x4C06  # linux/loop.h
MAKERS = {
    "vfat": ("mkfs.vfat", "-F", "32", "-n"),
    "exfat": ("mkfs.exfat", "-L"),
    "ext4": ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-L"),
}
_FAT32_MIB_MIN = 34
_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def run(*words: str | Path) -> str:
    """What a program prints; it has to end well."""
    return subprocess.run(
        [str(word) for word in words], env={**os.environ, "PATH": _PATH}, check=True, capture_output=True, text=True
    ).stdout


def image(path: Path, kind: str, *, mib: int = 40, label: str = "STICK") -> Path:
    """A new image file with a file system."""
    with path.open("wb") as file:
        file.truncate(mib << 20)
    words = MAKERS[kind]
    if kind == "vfat" and mib < _FAT32_MIB_MIN:
        words = ("mkfs.vfat", "-n")
    run(*words, label, path)
    return path


@contextmanager
def loop(path: Path, *options: str) -> Iterator[Path]:
    """A loop device over an image file; detached whatever happens."""
    with _alone():
        device = run("losetup", "--find", "--show", *options, path).strip()
        try:
            yield Path(device)
        finally:
            subprocess.run(["/usr/sbin/losetup", "--detach", device], check=False, capture_output=True)


_LOCK = Path(tempfile.gettempdir()) / "rebox-tests-loop-devices.lock"
_held: list[int] = []


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time: what a test detaches by its name must not be another one's by then."""
    if _held:
        _held.append(_held[0])
    else:
        descriptor = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _held.append(descriptor)
    try:
        yield
    finally:
        descriptor = _held.pop()
        if not _held:
            os.close(descriptor)


def change_medium(device: Path, other: Path) -> None:
    """Puts another image into a read-only loop device that is in use, as if its medium had been swapped."""
    with device.open("rb") as one, other.open("rb") as medium:
        fcntl.ioctl(one, LOOP_CHANGE_FD, medium.fileno())


class FailingDisk:
    """A disk served by nbdkit, whose reads or writes fail from the moment that they are told to."""

    def __init__(self, folder: Path, *, mib: int = 40) -> None:
        self._folder = folder
        self.path = folder / "disk"
        self.path.touch()
        words = ["nbdfuse", str(self.path), "--command", "nbdkit", "-s", "--exit-with-parent", "--filter=error"]
        words += ["memory", f"{mib}M"]
        for what in ("pread", "pwrite"):
            words += [f"error-{what}=EIO", f"error-{what}-rate=100%", f"error-{what}-file={folder / what}"]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not self.path.stat().st_size:
            assert self._process.poll() is None, "nbdfuse ended"

    def fail(self, what: str) -> None:
        """From now on; what the kernel remembers of the file beneath is dropped."""
        (self._folder / what).touch()
        with self.path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def mend(self) -> None:
        """Reads and writes work again."""
        for what in ("pread", "pwrite"):
            (self._folder / what).unlink(missing_ok=True)

    def die(self) -> None:
        """As when a stick is pulled out: nothing answers any more."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Takes it away."""
        self.mend()
        subprocess.run(["fusermount3", "-u", "-z", str(self.path)], check=False, capture_output=True)
        self._process.terminate()
        self._process.wait()


def disk_of(device: Path) -> Disk:
    """What sysfs tells of it."""
    return disk_at(Path("/sys/class/block") / device.name)
