"""A machine of the lab that is a virtual one: its power, its cable, and how it is, asked of the lab's libvirt."""

import asyncio

from toolkit.lab.control import MachineStatus
from toolkit.lab.virsh import Virsh

_SHUT_DOWN_SECONDS = 15.0
_PAUSE_SECONDS = 0.2
_ON = ("running", "paused", "idle", "in shutdown")


class VirtualMachine:
    """Metal that the lab has built, or a virtual machine that somebody else makes under this name."""

    def __init__(self, name: str, role: str, mac: str, virsh: Virsh) -> None:
        self.name = name
        self.role = role
        self._mac = mac
        self._virsh = virsh
        self._cable = True

    async def status(self) -> MachineStatus:
        """How it is now."""
        on = await self.is_on()
        return MachineStatus(role=self.role, power="on" if on else "off", link="up" if on and self._cable else "down")

    async def is_on(self) -> bool:
        """Whether it has power; a machine that nobody has made yet has none."""
        return await self._virsh.state(self.name) in _ON

    async def power_on(self) -> None:
        """Gives it power."""
        if not await self.is_on():
            await self._virsh("start", self.name)

    async def power_off(self) -> None:
        """Presses its power button, waits at most 15 s, and takes its power."""
        if not await self.is_on():
            return
        await self._virsh("shutdown", self.name, "--mode", "acpi")
        deadline = asyncio.get_running_loop().time() + _SHUT_DOWN_SECONDS
        while await self.is_on():
            if asyncio.get_running_loop().time() > deadline:
                await self.kill()
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    async def kill(self) -> None:
        """Takes its power at once."""
        if await self.is_on():
            await self._virsh("destroy", self.name)

    async def plug(self, *, up: bool) -> None:
        """Pulls its network cable, or puts it back."""
        await self._virsh("domif-setlink", self.name, self._mac, "up" if up else "down")
        self._cable = up
