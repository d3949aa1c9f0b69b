"""A lab of virtual machines as it was at a moment: their memory and disks, and what its servers had on theirs.

Booting takes a virtual machine tens of seconds, coming back to such a moment about one: who tests many things on one
world boots it once.
"""

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from toolkit.lab.folder import LabFolder
from toolkit.lab.machine import Machine, Switchable
from toolkit.lab.programs import Command, Programs
from toolkit.lab.virsh import Virsh
from toolkit.lab.virtual_world import POOL
from toolkit.lab.world import RESOLV_CONF
from toolkit.model.errors import InputError, ReboxError

_RECORD = "snapshot.json"
_SERVERS = ("nameserver", "bmc")
"""Roles of hosts that keep something of what boxes and operators do."""
_UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class _Domain:
    """One virtual machine: its definition, its disks by the file they are copied to, whether its memory is kept."""

    name: str
    disks: dict[str, str]
    running: bool


class Snapshots:
    """The snapshots of one lab."""

    def __init__(self, folder: LabFolder, machines: Mapping[str, Switchable], virsh: Virsh, programs: Programs) -> None:
        self._folder = folder
        self._machines = machines
        self._virsh = virsh
        self._programs = programs

    async def take(self, label: str) -> None:
        """Keeps the lab as it is now under that label, in place of what was kept there; it then goes on.

        The machines stand still meanwhile (about 2 s each). Raises ReboxError; the lab goes on all the same.
        """
        place = self._place(label)
        new = place.with_name(place.name + _UNFINISHED)
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700, parents=True)
        domains = []
        for name in await self._names():
            domains.append(await self._take(name, new))
        for host in self._servers():
            await self._while_off(host, self._folder.host(host.name), new / "hosts" / host.name)
        (new / _RECORD).write_text(json.dumps([asdict(domain) for domain in domains]), encoding="utf-8")
        shutil.rmtree(place, ignore_errors=True)
        new.rename(place)

    async def restore(self, label: str) -> None:
        """Has the lab as it was; machines that have been made since are gone. Raises InputError for another label."""
        place = self._place(label)
        try:
            kept = [_Domain(**fields) for fields in json.loads((place / _RECORD).read_text(encoding="utf-8"))]
        except FileNotFoundError:
            known = ", ".join(sorted(path.parent.name for path in place.parent.glob(f"*/{_RECORD}"))) or "none"
            raise InputError(
                f"there is no snapshot {label!r}", where=str(place.parent), next_move=f"There is: {known}."
            ) from None
        for name in await self._names():
            if await self._virsh.state(name) != "shut off":
                await self._virsh("destroy", name)
            if all(name != domain.name for domain in kept):
                await self._virsh("undefine", name, "--nvram", "--remove-all-storage")
        for host in self._servers():
            await self._while_off(host, place / "hosts" / host.name, self._folder.host(host.name))
        for domain in kept:
            await self._virsh("define", str(place / f"{domain.name}.xml"))
            for copy, file in domain.disks.items():
                await self._copy(place / copy, Path(file))
            if domain.running:
                await self._virsh("restore", str(place / f"{domain.name}.ram"))
        await self._virsh("pool-refresh", POOL)

    def _place(self, label: str) -> Path:
        if not label.replace("-", "").replace("_", "").isalnum():
            raise InputError(f"{label!r} cannot be a snapshot's name", next_move="Use letters, digits and hyphens.")
        return self._folder.path / "snapshots" / label

    async def _names(self) -> list[str]:
        return (await self._virsh("list", "--all", "--name")).split()

    async def _take(self, name: str, place: Path) -> _Domain:
        definition = await self._virsh("dumpxml", "--inactive", "--security-info", name)
        (place / f"{name}.xml").write_text(definition, encoding="utf-8")
        files = [
            source.attrib["file"]
            for source in ET.fromstring(definition).findall("./devices/disk[@device='disk']/source[@file]")  # noqa: S314  libvirt's own
        ]
        disks = {f"{name}-{number}": file for number, file in enumerate(files)}
        running = await self._virsh.state(name) == "running"
        if running:
            await self._virsh("save", name, str(place / f"{name}.ram"))
        try:
            for copy, file in disks.items():
                await self._copy(Path(file), place / copy)
        finally:
            if running:
                await self._virsh("restore", str(place / f"{name}.ram"))
        return _Domain(name, disks, running)

    def _servers(self) -> list[Machine]:
        return [
            machine for machine in self._machines.values() if isinstance(machine, Machine) and machine.role in _SERVERS
        ]

    async def _while_off(self, host: Machine, source: Path, target: Path) -> None:
        """Copies a server's files while it does not write them; what only the target has is gone."""
        was_on = (await host.status()).power == "on"
        await host.power_off()
        target.mkdir(parents=True, exist_ok=True)
        for entry in target.iterdir():
            # a host's own mounts show this very file
            if entry.name != RESOLV_CONF:
                (shutil.rmtree if entry.is_dir() else Path.unlink)(entry)
        await self._run("cp", "--archive", "--sparse=always", f"{source}/.", str(target))
        if was_on:
            await host.power_on()

    async def _copy(self, source: Path, target: Path) -> None:
        await self._run("cp", "--sparse=always", "--reflink=auto", str(source), str(target))

    async def _run(self, *arguments: str) -> None:
        status, words = await self._programs.ask(Command(arguments, self._folder.path, None, {"PATH": "/usr/bin:/bin"}))
        if status:
            raise ReboxError("a snapshot could not be copied", where=arguments[-1], why=words)
