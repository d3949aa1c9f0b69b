"""Builds a world: namespaces and wires first, then everything that must be made or started, at the same time."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from toolkit.lab.machine import Machine
from toolkit.lab.namespaces import HostNamespaces, make_host_namespaces, own_network
from toolkit.lab.network import Port, Switch
from toolkit.lab.programs import Command, Programs
from toolkit.lab.readiness import Host, Vantage, last_words
from toolkit.lab.virtual_machine import VirtualMachine
from toolkit.lab.world import LOG, RESOLV_CONF, World
from toolkit.model.errors import ReboxError
from toolkit.model.execution import Progress

BUILD_SECONDS = 300.0
HOST_SECONDS = 120.0
"""Until a program answers; with everything else on two busy processors it takes some seconds."""
MACHINE_SECONDS = 240.0
"""Until a virtual machine answers, whose processor may be emulated."""

Machines = dict[str, Machine | VirtualMachine]


async def build(world: World, programs: Programs, progress: Progress) -> Machines:
    """The machines of the world, switched on as the topology says; what serves on them answers.

    Raises the first ReboxError that anything met; after `BUILD_SECONDS` one that says what is still missing.
    """
    progress(0.05, "laying out files")
    world.lay()
    awaited = _Awaited()
    try:
        async with asyncio.timeout(BUILD_SECONDS), asyncio.TaskGroup() as group:
            group.create_task(_make(programs, world.make_identity(), "the operator's age identity", awaited))
            made = group.create_task(_make(programs, world.make_content(), "boxes and updates", awaited))
            progress(0.1, "plugging in the machines")
            with awaited.until_done("the machines' cables"):
                machines = await _plug_in(world, programs)
            progress(0.2, "starting")
            start = _Start(world, machines, progress, awaited)
            for name in machines:
                group.create_task(start.bring_up(name, made))
    except TimeoutError:
        raise awaited.too_long(world) from None
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


class _Awaited:
    """What the build is waiting for right now, so that running out of time can be told in words."""

    def __init__(self) -> None:
        self._whats: list[str] = []

    @contextmanager
    def until_done(self, what: str) -> Iterator[None]:
        """Counts as awaited inside; what was broken off still counts afterwards."""
        self._whats.append(what)
        yield
        self._whats.remove(what)

    def too_long(self, world: World) -> ReboxError:
        """The error that names what was still awaited."""
        return ReboxError(
            "the lab could not be built",
            where=str(world.folder.path),
            why=f"within {BUILD_SECONDS:g} s there came nothing of: {', '.join(self._whats) or 'what was left to do'}",
            next_move="Try again when the machine has less to do.",
        )


class _Start:
    def __init__(self, world: World, machines: Machines, progress: Progress, awaited: _Awaited) -> None:
        self._world = world
        self._machines = machines
        self._progress = progress
        self._awaited = awaited
        first = next(machine for machine in machines.values() if isinstance(machine, Machine))
        self._vantage = Vantage(first.namespaces.network)
        self._done = 0

    async def bring_up(self, name: str, made: "asyncio.Task[None]") -> None:
        """Switches a machine on and waits until it answers; `made` comes before what runs on made content."""
        machine = self._machines[name]
        with self._awaited.until_done(name):
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
        host = Host(
            name, address, port, lambda: self._why_ended(name, machine), lambda: self._last_words(name, machine)
        )
        virtual = isinstance(machine, VirtualMachine)
        await self._vantage.wait(host, MACHINE_SECONDS if virtual else HOST_SECONDS)
        if virtual:
            self._world.keep_plate(name)

    async def _why_ended(self, name: str, machine: Machine | VirtualMachine) -> str | None:
        if isinstance(machine, Machine):
            return machine.why_off()
        return await self._world.virtual.why_ended(name) if self._world.virtual else None

    def _last_words(self, name: str, machine: Machine | VirtualMachine) -> str:
        virtual = isinstance(machine, VirtualMachine)
        return last_words(self._world.folder.console(name) if virtual else self._world.folder.host(name) / LOG)


async def _make(programs: Programs, command: Command | None, what: str, awaited: _Awaited) -> None:
    if command is None:
        return
    with awaited.until_done(what):
        program = programs.start(command, None)
        status = await program.ended
        if status != 0:
            why = (last_words(command.log) if command.log else "") or f"status {status}"
            raise ReboxError(f"{what} could not be made", why=why)
