"""Orders to the lab's libvirt daemon: each is a program of its own, since the supervisor must keep to one thread."""

import asyncio
import os
from pathlib import Path

from toolkit.lab import hypervisor
from toolkit.lab.programs import Command, Programs
from toolkit.model.errors import ReboxError

_PAUSE_SECONDS = 0.05


class Virsh:
    """libvirt's own client, bound to the daemon whose folder is given."""

    def __init__(self, folder: Path, programs: Programs) -> None:
        self._programs = programs
        self._socket = hypervisor.socket(folder)

    async def __call__(self, *order: str) -> str:
        """What it answers; raises ReboxError with its own words."""
        status, answer = await self._ask(*order)
        if status:
            raise ReboxError(f"the lab's libvirt could not do {order[0]}", where=" ".join(order[1:2]), why=answer)
        return answer

    async def until_it_answers(self) -> None:
        """Returns once the daemon takes orders; the caller sets the deadline."""
        while not self._socket.exists() or (await self._ask("uri"))[0]:
            await asyncio.sleep(_PAUSE_SECONDS)

    async def state(self, domain: str) -> str | None:
        """How a virtual machine is, in libvirt's words (running, shut off…); None: there is no such machine."""
        status, answer = await self._ask("domstate", domain)
        return None if status else answer

    async def _ask(self, *order: str) -> tuple[int, str]:
        # the socket's path may be longer than an address can hold: its name is short
        arguments = ("virsh", "--quiet", "--connect", f"qemu:///system?socket={self._socket.name}", *order)
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
        status, words = await self._programs.ask(Command(arguments, self._socket.parent, None, environment))
        return status, words.removeprefix("error: ")
