"""Builds a world: namespaces and wires first, then everything that must be made or started, at the same time."""

import asyncio
from pathlib import Path

from toolkit.lab.machine import Machine
from toolkit.lab.namespaces import HostNamespaces, make_host_namespaces, own_network
from toolkit.lab.network import Port, Switch
from toolkit.lab.programs import Command, Programs
from toolkit.lab.readiness import Vantage
from toolkit.lab.world import LOG, RESOLV_CONF, World
from toolkit.model.errors import ReboxError
from toolkit.model.execution import Progress


async def build(world: World, programs: Programs, progress: Progress) -> dict[str, Machine]:
    """The machines of the world, switched on as the topology says; what serves on them answers.

    Raises the first ReboxError that anything met.
    """
    progress(0.05, "laying out files")
    world.lay()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_make(programs, world.make_identity(), "the operator's age identity"))
            made = group.create_task(_make(programs, world.make_content(), "boxes and updates"))
            progress(0.1, "plugging in the machines")
            machines = await _plug_in(world, programs)
            progress(0.2, "starting")
            start = _Start(world, machines, progress)
            for name in machines:
                group.create_task(start.bring_up(name, made))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
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


class _Start:
    def __init__(self, world: World, machines: dict[str, Machine], progress: Progress) -> None:
        self._world = world
        self._machines = machines
        self._progress = progress
        self._vantage = Vantage(next(iter(machines.values())).namespaces.network)
        self._done = 0

    async def bring_up(self, name: str, made: "asyncio.Task[None]") -> None:
        """Switches a machine on and waits until it answers; `made` comes before what runs on made content."""
        if self._world.role(name) in {"update-server", "appliance"}:
            await made
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


async def _make(programs: Programs, command: Command | None, what: str) -> None:
    if command is None:
        return
    program = programs.start(command, None)
    status = await program.ended
    if status != 0:
        raise ReboxError(f"{what} could not be made", why=_words(command.log) or f"status {status}")


def _words(log: Path | None) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip()[-600:] if log and log.exists() else ""
