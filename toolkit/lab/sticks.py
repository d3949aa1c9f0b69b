"""The lab's USB stick: an image file that is plugged into one machine at a time, and moved on request.

Where boxes are programs, a stick is plugged in while its file lies in the machine's own folder of sticks; a box that is
a virtual machine gets it as a USB device.
"""

from pathlib import Path

from lxml import etree
from lxml.builder import E

from toolkit.images.programs import Workshop
from toolkit.lab.folder import LabFolder
from toolkit.lab.topology import Topology
from toolkit.lab.virsh import Virsh
from toolkit.model.errors import InputError

SERIAL = "RB-STICK-0001"
LABEL = "REBOX-STICK"
_FILE = f"{SERIAL}.img"
_MB_MIN = 64


def make_stick(workshop: Workshop, folder: LabFolder, topology: Topology) -> None:
    """Makes the stick, with an empty FAT file system, large enough for the site; raises ReboxError."""
    for host in topology.boxes:
        folder.sticks(host).mkdir(parents=True)
    drawer = folder.sticks()
    drawer.mkdir()
    with (drawer / _FILE).open("wb") as file:
        file.truncate((_MB_MIN + 2 * topology.site.size_mb) << 20)
    workshop.run("mkfs.vfat", "-F", "32", "-n", LABEL, drawer / _FILE)


class Stick:
    """The one stick of a running lab."""

    def __init__(self, folder: LabFolder, topology: Topology, virsh: Virsh | None) -> None:
        self._folder = folder
        self._topology = topology
        self._virsh = virsh
        self._plugged: str | None = None

    async def plug(self, host: str) -> None:
        """Plugs it in at that box; it is pulled out elsewhere first. Raises InputError, ReboxError."""
        if host not in self._topology.boxes:
            raise InputError(
                f"no stick can be plugged into {host!r}",
                where=f"lab {self._folder.name}",
                next_move=f"Name a box: {', '.join(self._topology.boxes)}.",
            )
        await self._show_consoles()
        if self._plugged == host:
            return
        await self.pull()
        if self._virsh is None:
            (self._folder.sticks() / _FILE).rename(self._folder.sticks(host) / _FILE)
        else:
            await self._virsh("attach-device", host, str(self._definition()), "--live")
        self._plugged = host

    async def pull(self) -> None:
        """Pulls it out, whatever is going on; harmless when it is out."""
        host, self._plugged = self._plugged, None
        if host is None:
            return
        if self._virsh is None:
            (self._folder.sticks(host) / _FILE).rename(self._folder.sticks() / _FILE)
        elif await self._virsh.state(host) == "running":
            await self._virsh("detach-device", host, str(self._definition()), "--live")

    def _definition(self) -> Path:
        # a lab is thrown away: nothing is gained by waiting for its disks
        stick = E.disk(
            E.driver(name="qemu", type="raw", cache="unsafe"),
            E.source(file=str(self._folder.sticks() / _FILE)),
            E.target(dev="sdz", bus="usb", removable="on"),
            E.serial(SERIAL),
            type="file",
            device="disk",
        )
        path = self._folder.sticks() / "stick.xml"
        path.write_text(etree.tostring(stick, pretty_print=True, encoding="unicode"), encoding="utf-8")
        return path

    async def _show_consoles(self) -> None:
        """A machine that somebody else has made says its host key in a file of their choice: shown where all are."""
        for host in self._topology.boxes if self._virsh else ():
            console = self._folder.console(host)
            if self._virsh and not console.exists() and await self._virsh.state(host) is not None:
                definition = etree.fromstring((await self._virsh("dumpxml", host)).encode())
                log = definition.find("devices/serial/log")
                if log is not None:
                    console.symlink_to(str(log.get("file")))
