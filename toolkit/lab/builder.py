"""Builds a world: namespaces and wires first, then everything that must be made or started, at the same time."""

import asyncio
from pathlib import Path

from toolkit.lab.machine import Machine
from toolkit.lab.namespaces import HostNamespaces, make_host_namespaces, own_network
from toolkit.lab.network import Port, Switch
from toolkit.lab.programs import Command, Programs
from toolkit.lab.readiness import Vantage, last_words
from toolkit.lab.virtual_machine import VirtualMachine
from toolkit.lab.world import LOG, RESOLV_CONF, World
from toolkit.model.errors import ReboxError
from toolkit.model.execution import Progress

Machines = dict[str, Machine | VirtualMachine]


async def build(world: World, programs: Programs, progress: Progress) -> Machines:
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


async def _plug_in(world: World, programs: Programs) -> Machines:
    namespaces: dict[str, HostNamespaces] = {}
    for name in world.topology.machines:
        if not world.is_virtual(name):
            namespaces[name] = make_host_namespaces(name, world.folder.host(name) / RESOLV_CONF, world.furnish)
    switch = Switch(own_network())
    await switch.build(
        Port(
            name,
            host.network,
            world.mac(name),
            # a box brings its own addresses up
            () if name in world.topology.boxes else world.topology.interfaces(world.topology.machines[name].number),
        )
        for name, host in namespaces.items()
    )
    machines: Machines = {
        name: Machine(name, world.role(name), host, world.command(name), (switch, programs))
        for name, host in namespaces.items()
    }
    if world.virtual:
        virsh = await world.virtual.start(programs)
        for name in world.topology.boxes:
            machines[name] = VirtualMachine(name, world.role(name), world.mac(name), virsh)
    # in the topology's order, which is how people see them
    return {name: machines[name] for name in world.topology.machines}


class _Start:
    def __init__(self, world: World, machines: Machines, progress: Progress) -> None:
        self._world = world
        self._machines = machines
        self._progress = progress
        first = next(machine for machine in machines.values() if isinstance(machine, Machine))
        self._vantage = Vantage(first.namespaces.network)
        self._done = 0

    async def bring_up(self, name: str, made: "asyncio.Task[None]") -> None:
        """Switches a machine on and waits until it answers; `made` comes before what runs on made content."""
        machine = self._machines[name]
        if self._world.role(name) in {"update-server", "appliance"}:
            await made
        virtual = self._world.virtual if isinstance(machine, VirtualMachine) else None
        if virtual:
            await virtual.make(name)
        if self._world.topology.machines[name].power == "on" and (virtual is None or virtual.in_service(name)):
            await machine.power_on()
            await self._until_it_answers(name, machine)
        self._done += 1
        self._progress(0.2 + 0.8 * self._done / len(self._machines), f"{name} is there")

    async def _until_it_answers(self, name: str, machine: Machine | VirtualMachine) -> None:
        port = self._world.port(name)
        if port is None:
            return
        address, *_ = self._world.topology.addresses(name)
        await self._vantage.wait(name, address, port, lambda: self._why_ended(name, machine), tls=port == 443)
        if isinstance(machine, VirtualMachine):
            self._world.keep_plate(name)

    async def _why_ended(self, name: str, machine: Machine | VirtualMachine) -> str | None:
        if self._world.virtual and isinstance(machine, VirtualMachine):
            return await self._world.virtual.why_ended(name)
        if isinstance(machine, Machine) and machine.program and machine.program.ended.done():
            said = last_words(self._world.folder.host(name) / LOG)
            return said or f"its program ended with status {machine.program.ended.result()}"
        return None


async def _make(programs: Programs, command: Command | None, what: str) -> None:
    if command is None:
        return
    program = programs.start(command, None)
    status = await program.ended
    if status != 0:
        raise ReboxError(f"{what} could not be made", why=_words(command.log) or f"status {status}")


def _words(log: Path | None) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip()[-600:] if log and log.exists() else ""
