"""One machine of the lab: its power, its cable, and the program that runs on it."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Protocol

from toolkit.lab.control import MachineStatus
from toolkit.lab.namespaces import HostNamespaces
from toolkit.lab.network import Switch
from toolkit.lab.programs import Command, Program, Programs

_SHUT_DOWN_SECONDS = 10.0


class Machine:
    """A machine that can be switched on and off; when its program ends by itself, the machine goes off."""

    def __init__(
        self,
        name: str,
        role: str,
        namespaces: HostNamespaces,
        command: Command | None,
        world: tuple[Switch, Programs],
    ) -> None:
        self.name = name
        self.role = role
        self.namespaces = namespaces
        self.command = command
        self.program: Program | None = None
        self._switch, self._programs = world
        self._on = False
        self._cable = True
        self._exit_status: int | None = None
        self._changing = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None

    async def status(self) -> MachineStatus:
        """How it is now."""
        return MachineStatus(
            role=self.role,
            power="on" if self._on else "off",
            link="up" if self._on and self._cable else "down",
            process_id=self.program.machine_process_id if self.program else None,
            exit_status=self._exit_status,
        )

    def why_off(self) -> str | None:
        """Why what is to run on it will answer no more: its program has ended; None as long as it may."""
        if self.program is None:
            status = self._exit_status
        else:
            status = self.program.ended.result() if self.program.ended.done() else None
        return None if status is None else f"its program ended with status {status}"

    async def power_on(self) -> None:
        """Gives it power; its program starts."""
        async with self._changing:
            if self._on:
                return
            await self._switch.power(self.name, on=True)
            self._on = True
            if self.command:
                try:
                    self.program = self._programs.start(self.command, self.namespaces)
                except BaseException:
                    await self._dark()
                    raise
                self._watch = asyncio.create_task(self._until_ended(self.program))

    async def power_off(self) -> None:
        """Asks its program to end, waits at most 10 s, and takes its power."""
        async with self._changing:
            if self.program:
                self.program.send(signal.SIGTERM)
                await asyncio.wait((self.program.ended,), timeout=_SHUT_DOWN_SECONDS)
            await self._kill()

    async def kill(self) -> None:
        """Takes its power at once; nothing that it says while it dies reaches the wire."""
        async with self._changing:
            await self._switch.power(self.name, on=False)
            await self._kill()

    async def plug(self, *, up: bool) -> None:
        """Pulls its network cable, or puts it back."""
        async with self._changing:
            await self._switch.cable(self.name, up=up)
            self._cable = up

    async def _kill(self) -> None:
        if self.program:
            self.program.send(signal.SIGKILL)
            await self.program.ended
        await self._dark()

    async def _until_ended(self, program: Program) -> None:
        await program.ended
        async with self._changing:
            if self.program is program:
                await self._dark()

    async def _dark(self) -> None:
        if self.program:
            self._exit_status = self.program.ended.result()
        self.program = None
        self._on = False
        await self._switch.power(self.name, on=False)


class Switchable(Protocol):
    """What the control socket asks of every machine, whatever it is made of."""

    async def status(self) -> MachineStatus:
        """How it is now."""
        ...

    async def power_on(self) -> None:
        """Gives it power."""
        ...

    async def power_off(self) -> None:
        """Lets it shut down, and takes its power."""
        ...

    async def kill(self) -> None:
        """Takes its power at once."""
        ...

    async def plug(self, *, up: bool) -> None:
        """Pulls its network cable, or puts it back."""
        ...


Action = Callable[[Switchable], Awaitable[None]]

ACTIONS: dict[str, Action] = {
    "power-on": lambda machine: machine.power_on(),
    "power-off": lambda machine: machine.power_off(),
    "kill": lambda machine: machine.kill(),
    "link-up": lambda machine: machine.plug(up=True),
    "link-down": lambda machine: machine.plug(up=False),
}
"""What the control socket can ask of a machine."""
