"""Builds a world: namespaces and wires first, then everything that must be made or started, at the same time."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from toolkit.lab.machine import Machine
from toolkit.lab.namespaces import HostNamespaces, make_host_namespaces, own_network
from toolkit.lab.network import Port, Switch
from toolkit.lab.programs import Command, Programs
from toolkit.lab.readiness import Vantage
from toolkit.lab.world import LOG, RESOLV_CONF, World
from toolkit.model.errors import ReboxError

Progress = Callable[[float, str], None]


async def build(world: World, programs: Programs, progress: Progress) -> dict[str, Machine]:
    """The machines of the world, switched on as the topology says; what serves on them answers."""
    progress(0.05, "laying out files")
    world.lay()
    progress(0.1, "plugging in the machines")
    machines = await _plug_in(world, programs)
    progress(0.2, "starting")
    builder = _Builder(world, programs, machines, progress)
    await builder.start()
    world.describe()
    return machines


async def _plug_in(world: World, programs: Programs) -> dict[str, Machine]:
    namespaces: dict[str, HostNamespaces] = {}
    for name in world.topology.machines:
        namespaces[name] = make_host_namespaces(name, world.folder.host(name) / RESOLV_CONF)
    switch = Switch(own_network())
    await switch.build(
        Port(
            name,
            namespaces[name].network,
            world.topology.network.mac(machine.number),
            # a box brings its own addresses up
            () if name in world.topology.boxes else world.topology.interfaces(machine.number),
        )
        for name, machine in world.topology.machines.items()
    )
    return {
        name: Machine(name, world.role(name), namespaces[name], world.command(name), (switch, programs))
        for name in world.topology.machines
    }


class _Builder:
    def __init__(self, world: World, programs: Programs, machines: dict[str, Machine], progress: Progress) -> None:
        self._world = world
        self._programs = programs
        self._machines = machines
        self._progress = progress
        self._vantage = Vantage(next(iter(machines.values())).namespaces.network)
        self._done = 0

    async def start(self) -> None:
        """Makes what must be made and starts what is to run, each as soon as what it needs is there."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._make(self._world.make_identity(), "operator's age identity"))
                repository = group.create_task(self._make(self._world.make_repository(), "update repository"))
                for name in self._machines:
                    group.create_task(self._bring_up(name, repository))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _bring_up(self, name: str, repository: "asyncio.Task[None]") -> None:
        role = self._world.role(name)
        if role in {"update-server", "appliance"}:
            await repository
        if role == "appliance":
            await self._make(self._world.make_box(name), f"box {name}")
        if self._world.topology.machines[name].power == "on":
            await self._machines[name].power_on()
            await self._until_it_answers(name)
        self._done += 1
        self._progress(0.2 + 0.8 * self._done / len(self._machines), f"{name} is there")

    async def _until_it_answers(self, name: str) -> None:
        machine = self._machines[name]
        port = self._world.port(name)
        if machine.program and port:
            address, *_ = self._world.topology.addresses(name)
            log = self._world.folder.host(name) / LOG
            await self._vantage.wait(name, address, port, machine.program, log, tls=port == 443)

    async def _make(self, command: Command | None, what: str) -> None:
        if command is None:
            return
        program = self._programs.start(command, None)
        status = await program.ended
        if status != 0:
            raise ReboxError(f"{what} could not be made", why=_words(command.log) or f"status {status}")


def _words(log: Path | None) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip()[-600:] if log and log.exists() else ""
