"""Files as real block devices: loop devices, let go of also when a test fails."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from toolkit.disks.facts import Disk, disk_at

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can attach a loop device")


@contextmanager
def loop(file: Path, *options: str) -> Iterator[Path]:
    """The device's path."""
    words = ["losetup", "--find", "--show", *options, str(file)]
    device = Path(subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip())
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", str(device)], check=False, capture_output=True)


def disk_of(device: Path) -> Disk:
    """What sysfs tells of it."""
    return disk_at(Path("/sys/class/block") / device.name)
