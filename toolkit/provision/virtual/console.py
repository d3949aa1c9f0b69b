"""What a box says on its serial console, as its host keeps it."""

import re
import shlex
import time
from typing import Any

from toolkit.model.errors import UnreachableError
from toolkit.model.execution import Progress
from toolkit.provision.announcement import announced_certificate
from toolkit.provision.virtual.connection import Hypervisor
from toolkit.provision.virtual.volumes import Pool

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_TAIL_LINES = 15
_LOOK_SECONDS = 0.5


class Console:
    """The log of one machine's serial port: a volume of its pool, written by the host, read through libvirt.

    `past_bytes` is how much of it was there before the machine was switched on the last time.
    """

    def __init__(self, pool: Pool, volume: str) -> None:
        self._pool = pool
        self._volume = volume
        self._past_bytes = 0

    def begin_here(self) -> None:
        """What is there now is of an earlier life."""
        self._past_bytes = len(self._pool.read(self._volume))

    def text(self) -> str:
        """All of the present life that is kept; the host begins a new log when one has become large."""
        content = self._pool.read(self._volume)
        return content[self._past_bytes if self._past_bytes <= len(content) else 0 :].decode(errors="replace")


def tail(console: str) -> str:
    """The end of it for people, without what terminals are steered with."""
    lines = [line.strip() for line in _CONTROL.sub("", console.replace("\r", "\n")).splitlines() if line.strip()]
    return " / ".join(lines[-_TAIL_LINES:]) or "nothing"


def hear(
    host: Hypervisor, domain: Any, console: Console, address: str, *, seconds_max: float, progress: Progress
) -> str:
    """Waits until the box has said which certificate it serves on `address`, and returns its SHA-256.

    Raises UnreachableError with the end of the console when the time is over or the machine went off.
    """
    began = time.monotonic()
    while True:
        with host.asked("the virtual machine cannot be looked at"):
            name, is_on = domain.name(), bool(domain.isActive())
        said = console.text()
        announced = announced_certificate(said, address)
        if announced is not None:
            return announced
        waited = time.monotonic() - began
        if not is_on or waited > seconds_max:
            raise UnreachableError(
                "the new box never came up" if is_on else "the new box's virtual machine went off by itself",
                where=f"{host.uri}, {name}",
                why=f"in {waited:.0f} s its console did not say which certificate it serves on {address}; it ends "
                f"with: {tail(said)}",
                next_move=f"Look at it: virsh -c {shlex.quote(host.uri)} console {name}. Do the same again to "
                "go on, or remove it: rebox provision remove INVENTORY",
            )
        progress(min(waited / seconds_max, 1.0), "waiting for the box's first words")
        time.sleep(_LOOK_SECONDS)
