"""What a topology of virtual machines becomes: a libvirt daemon, a storage pool, disks, seeds, and machines."""

import asyncio
import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from toolkit.lab import bmc, hypervisor
from toolkit.lab.console import Console
from toolkit.lab.folder import LabFolder
from toolkit.lab.hardware import Drive, Hardware, Kernel, domain_xml
from toolkit.lab.network import BRIDGE
from toolkit.lab.programs import Command, Programs
from toolkit.lab.topology import Box, Topology
from toolkit.lab.virsh import Virsh
from toolkit.model.errors import InputError, ReboxError, RefusedError

POOL = "default"
_TUN = Path("/dev/net/tun")
_LOOK_SECONDS = 0.5
SEED_SERIAL = "rebox-seed"
_SITES_BIOS = {"NicBoot1": "Disabled", "QuietBoot": "true"}
"""What somebody set up on metal in service: a reset of its firmware has something to put back."""


class BootImage(BaseModel):
    """The built image that the lab's boxes start from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    disk: Path
    kernel: Path
    initrd: Path
    command_line: str


class VirtualWorld:
    """The virtual machines of one lab."""

    def __init__(self, folder: LabFolder, topology: Topology, image: BootImage, environment: dict[str, str]) -> None:
        self._folder = folder
        self._topology = topology
        self._image = image
        self._environment = environment

    def lay(self) -> None:
        """Makes the folders of daemon and pool; raises InputError when a program is missing."""
        for program, package in (
            ("libvirtd", "libvirt-daemon"),
            ("virsh", "libvirt-clients"),
            ("qemu-img", "qemu-utils"),
            ("qemu-system-x86_64", "qemu-system-x86"),
        ):
            if shutil.which(program) is None:
                raise InputError(
                    "a lab of virtual machines needs a program that is not installed",
                    where=program,
                    next_move=f"Install it: make setup-vm, or apt-get install {package}",
                )
        if not os.access(_TUN, os.R_OK | os.W_OK):
            raise RefusedError(
                "this user may not plug in virtual machines",
                where=str(_TUN),
                why="the device is not there, or not everybody's to use, as it is on a usual Debian",
                next_move=f"Run the command as root, or let root allow it: chmod 666 {_TUN}",
            )
        hypervisor.lay(self._folder.hypervisor)
        self._folder.pool.mkdir(mode=0o700)

    async def start(self, programs: Programs) -> Virsh:
        """Starts the daemon; returns once it has a storage pool: BMCs and who provisions put their volumes there."""
        self._programs, self.virsh = programs, Virsh(self._folder.hypervisor, programs)
        await self._start_daemon()
        await self.virsh("pool-define-as", POOL, "dir", "--target", str(self._folder.pool))
        await self.virsh("pool-autostart", POOL)
        await self.virsh("pool-start", POOL)
        return self.virsh

    async def _start_daemon(self) -> None:
        folder = self._folder.hypervisor
        command = Command(hypervisor.command(folder), folder, folder / "libvirtd.log", self._environment)
        self._daemon = self._programs.start(command, None)
        await self.virsh.until_it_answers()

    async def crash_daemon(self) -> None:
        """Kills the daemon and starts it again; the machines go on meanwhile."""
        self._daemon.send(signal.SIGKILL)
        await self._daemon.ended
        hypervisor.socket(self._folder.hypervisor).unlink(missing_ok=True)
        await self._start_daemon()

    async def crash_host(self) -> None:
        """The power of the machines' host fails and comes back: all are off, and those that are to start do."""
        self._daemon.send(signal.SIGKILL)
        await self._daemon.ended
        for file in self._folder.hypervisor.glob("run/qemu/*.pid"):
            with suppress(ProcessLookupError, ValueError):
                os.kill(int(file.read_text(encoding="ascii")), signal.SIGKILL)
        # a host's /run is empty when it comes up
        hypervisor.forget_run(self._folder.hypervisor)
        await self._start_daemon()

    async def make(self, name: str) -> None:
        """Makes a box's machine, switched off, with blank disks or, in service, with the image and a seed.

        A virtual box without a site is made by who provisions it.
        """
        box = self._topology.boxes[name]
        if box.kind == "virtual" and box.site_version is None:
            return
        folder = self._folder.host(name)
        system, data = disk_serials(box)
        files = disk_files(self._folder, name, box)
        drives = [Drive(files[0], system, "qcow2"), Drive(files[1], data)]
        await self._system_disk(drives[0].file, blank=box.site_version is None, alone=box.kind == "virtual")
        _blank(drives[1].file, box.data_disk_mb)
        if box.site_version is not None:
            drives.append(Drive(self._folder.seed(name), SEED_SERIAL))
        direct = Kernel(self._image.kernel, self._image.initrd, self._image.command_line)
        machine = Hardware(
            name=name,
            serial_number=box.serial_number,
            identity=bmc.system_id(box.serial_number),
            mac=self._topology.network.mac(box.number),
            bridge=BRIDGE,
            console=self._folder.console(name),
            drives=drives,
            kernel=direct if box.kind == "virtual" else None,
            memory_mb=box.memory_mb,
            bios=_SITES_BIOS if box.kind == "physical" and box.site_version is not None else {},
        )
        definition = folder / "domain.xml"
        definition.write_text(domain_xml(machine), encoding="utf-8")
        await self.virsh("define", str(definition))

    async def _system_disk(self, file: Path, *, blank: bool, alone: bool) -> None:
        """Laid over the image, which all boxes share; or, for one that is wiped by its host in the end, by itself."""
        size = str(self._image.disk.stat().st_size + (64 << 20))
        image = str(self._image.disk)
        if alone and not blank:
            await self._qemu_img(file, "convert", "-f", "raw", "-O", "qcow2", image, str(file))
            await self._qemu_img(file, "resize", "-q", str(file), size)
            return
        backing = () if blank else ("-b", image, "-F", "raw")
        await self._qemu_img(file, "create", "-q", "-f", "qcow2", *backing, str(file), size)

    async def _qemu_img(self, file: Path, *words: str) -> None:
        arguments = ("qemu-img", *words)
        status, said = await self._programs.ask(Command(arguments, file.parent, None, self._environment))
        if status:
            raise ReboxError("a disk could not be made", where=str(file), why=said)

    def console(self, name: str) -> Console:
        """What a box says."""
        return Console(self._folder.console(name), self._topology.addresses(name)[0])

    def in_service(self, name: str) -> bool:
        """Whether a box starts with the lab: one without a site is for who provisions it."""
        return self._topology.boxes[name].site_version is not None

    async def why_ended(self, name: str) -> str | None:
        """Why a box will not answer any more; None as long as it may."""
        await asyncio.sleep(_LOOK_SECONDS)
        console = self.console(name)
        if await self.virsh.state(name) != "running":
            return f"it went off; its last words: {console.tail}"
        return console.complaint()


def disk_serials(box: Box) -> tuple[str, str]:
    """The serial numbers of a box's two disks, system and data; a virtio disk has room for 20 characters."""
    return f"{box.serial_number[-18:]}-0", f"{box.serial_number[-18:]}-1"


def disk_files(folder: LabFolder, name: str, box: Box) -> tuple[Path, Path]:
    """Where a box's two disks lie: a virtual one's are volumes of the lab's pool, as they are on any host."""
    if box.kind == "virtual":
        return folder.pool / f"{name}-system.qcow2", folder.pool / f"{name}-data.raw"
    return folder.host(name) / "system.qcow2", folder.host(name) / "data.raw"


def _blank(file: Path, size_mb: int) -> None:
    with file.open("wb") as disk:
        disk.truncate(size_mb << 20)
