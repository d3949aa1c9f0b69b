"""exFAT where the kernel has none: a program beside us that serves it, and ends with us."""

import subprocess
import time
from pathlib import Path
from typing import Self

from toolkit.disks import mount_namespace
from toolkit.disks.liveness import LiveDevice
from toolkit.disks.mount_namespace import RDONLY
from toolkit.disks.programs import program
from toolkit.disks.refusal import Failed

_SECONDS_MAX, _INTERVAL_SECONDS = 20.0, 0.01


class ExfatFuse:
    """One that is running; the kernel kills it when the thread that started it ends, however that ends."""

    def __init__(self, device: LiveDevice, process: "subprocess.Popen[bytes]") -> None:
        self._device, self._process = device, process

    @classmethod
    def mounted(cls, device: LiveDevice, place: Path, flags: int) -> Self:
        """Mounts the device for this thread's namespace alone; raises Failed, Refused when it is not installed."""
        # it stays in the foreground by -d only, and has much to say then
        options = "nosuid,nodev,noexec,umask=0077" + (",ro" if flags & RDONLY else "")
        words = [program("setpriv"), "--pdeathsig", "KILL", program("unshare"), "--mount", "--propagation", "private"]
        words += ["--", program("mount.exfat-fuse"), "-d", "-o", options, str(device.path), str(place)]
        silent = subprocess.DEVNULL
        server = cls(device, subprocess.Popen(words, stdin=silent, stdout=silent, stderr=silent))
        try:
            server._wait_until_mounted()
            mount_namespace.move_here(server._process.pid, place)
            mount_namespace.restrict(place, flags)
        except OSError as error:
            server.kill()
            raise Failed(f"{device.path} cannot be mounted by exfat-fuse: {error.strerror}") from None
        except BaseException:
            server.kill()
            raise
        return server

    def _wait_until_mounted(self) -> None:
        """In its own namespace."""
        major, minor = self._device.number
        deadline = time.monotonic() + _SECONDS_MAX
        while f"{major}:{minor}" not in mount_namespace.mounts_of(f"{self._process.pid}").values():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{self._device.path} cannot be mounted by exfat-fuse: its file system may be damaged")
            time.sleep(_INTERVAL_SECONDS)

    def wait(self) -> None:
        """It ends by itself once it is unmounted and has written everything; raises Failed when it did not."""
        try:
            status = self._process.wait(_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            status = -1
        if status:
            raise Failed(f"exfat-fuse ended with {status}: not everything may be on {self._device.path}")

    def kill(self) -> None:
        """At once."""
        self._process.kill()
        self._process.wait()
