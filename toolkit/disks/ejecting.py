"""Lets a stick go: everything is on it, and its port is without power where the machine can do that."""

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

from toolkit.disks.facts import usb_device
from toolkit.disks.liveness import LiveDevice
from toolkit.disks.plugged import SYSTEM, Stick, check_same
from toolkit.disks.refusal import Failed

_LOOP_CLR_FD = 0x4C01  # linux/loop.h
_SECONDS_MAX, _INTERVAL_SECONDS = 10.0, 0.05


@dataclass(frozen=True)
class Ejected:
    """What could be done, in order; `gone` says whether the kernel has let go of the device."""

    done: tuple[str, ...]
    not_done: tuple[str, ...]
    gone: bool


def let_go(stick: Stick, system: Path = SYSTEM) -> Ejected:
    """Raises Failed when somebody has it, or it does not take what is still to be written; Gone for another stick."""
    done: list[str] = []
    not_done: list[str] = []
    device = LiveDevice(stick.path, writing=not stick.read_only, alone=True)
    try:
        check_same(stick, system)
        device.flush()
        done.append("everything that was written is on it")
        if (system / "class/block" / stick.path.name / "loop").exists():
            # of what is held open here, and not of a name that may be another's by now; it ends when it is closed
            fcntl.ioctl(device.descriptor, _LOOP_CLR_FD)
            done.append("it was detached from its file")
    except OSError as error:
        raise Failed(f"{stick.path} is not let go: {error.strerror}") from None
    finally:
        device.close()
    for what, path in _ways_out(stick, system):
        try:
            _let_go(path)
            done.append(what)
        except OSError as error:
            not_done.append(f"{what}: {error.strerror or error}")
    gone = stick.bus != "file" and _has_gone(stick, system)
    if stick.bus != "file" and not gone:
        not_done.append("the kernel still has the device")
    return Ejected(tuple(done), tuple(not_done), gone)


def _ways_out(stick: Stick, system: Path) -> list[tuple[str, Path]]:
    """What the kernel offers to let go of a device, in the order in which it has to be done."""
    name = stick.path.name
    folder = system / "class/block" / name
    ways = [("the drive was told to write its cache, and was taken away", folder / "device/delete")]
    if usb := usb_device(folder):
        ways.append(("its USB port was switched off", usb / "remove"))
    return [(what, path.resolve()) for what, path in ways if path.exists()]


def _let_go(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, b"1")
    finally:
        os.close(descriptor)


def _has_gone(stick: Stick, system: Path) -> bool:
    """Whether the device has gone, or has no medium any more; waits for it a little."""
    size = system / "class/block" / stick.path.name / "size"
    deadline = time.monotonic() + _SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            if size.read_text(encoding="ascii").strip() == "0":
                return True
        except OSError:
            return True
        time.sleep(_INTERVAL_SECONDS)
    return False
