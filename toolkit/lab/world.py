"""What a topology becomes on disk: folders, name servers' files, certificates, and the command of each machine."""

import shutil
import subprocess
import sys
import time
from functools import cached_property
from pathlib import Path

from toolkit.lab import bmc, hypervisor, nameserver, operator
from toolkit.lab.authority import Authority, Issued
from toolkit.lab.description import (
    BmcDescription,
    DnsDescription,
    LabDescription,
    MachineDescription,
    Plate,
    SiteDescription,
)
from toolkit.lab.folder import LabFolder
from toolkit.lab.inventory import write_inventory
from toolkit.lab.network import INTERFACE
from toolkit.lab.programs import Command
from toolkit.lab.topology import Topology
from toolkit.lab.virtual_world import BootImage, VirtualWorld
from toolkit.model.errors import InputError, ReboxError
from toolkit.storage.whole_file import write_whole

RESOLV_CONF = "resolv.conf"
LOG = "program.log"
_NAMED = ("/usr/sbin/named", "/usr/local/sbin/named", "/usr/bin/named")
_PORTS = {"nameserver": 53, "resolver": 53, "update-server": 443, "bmc": 443, "appliance": 443}
_ENVIRONMENT = ("PATH", "LANG", "PYTHONPATH")


class World:
    """The files of one lab, and what runs on them."""

    def __init__(
        self,
        folder: LabFolder,
        topology: Topology,
        environment: dict[str, str],
        *,
        user_namespace: bool,
        supervisor: int,
        image: BootImage | None = None,
    ) -> None:
        """`environment` is the starter's; only what programs need of it reaches them. `image` is what boxes that are
        virtual machines start from.
        """
        self.folder = folder
        self.topology = topology
        self._environment = {name: environment[name] for name in _ENVIRONMENT if name in environment}
        self._environment["REBOX_LAB"] = str(folder.path)
        self._user_namespace = user_namespace
        self._supervisor = supervisor
        self._started = time.monotonic()
        self.virtual = VirtualWorld(folder, topology, image, self._environment) if image else None

    def role(self, name: str) -> str:
        """What a machine is."""
        host = self.topology.hosts.get(name)
        return host.role if host else "appliance"

    def port(self, name: str) -> int | None:
        """The TCP port by which one sees that a machine has come up, or None."""
        return _PORTS.get(self.role(name))

    @cached_property
    def _authority(self) -> Authority:
        return Authority(self.folder.name)

    @cached_property
    def _site_certificate(self) -> Issued:
        return self._authority.issue((self.topology.site.name,))

    @cached_property
    def _bmc_certificate(self) -> Issued:
        return self._authority.issue((f"{self.topology.single('bmc')}.{self.topology.dns.zone}",))

    def is_virtual(self, name: str) -> bool:
        """Whether a machine is a virtual one, not a namespace."""
        return self.virtual is not None and name in self.topology.boxes

    def mac(self, name: str) -> str:
        """A machine's MAC."""
        return self.topology.network.mac(self.topology.machines[name].number)

    def keep_plate(self, name: str) -> None:
        """Writes down what a virtual machine has shown on its console."""
        announced = self.virtual.console(name).announced() if self.virtual else None
        if announced is None:
            raise ReboxError(f"{name} answers, and has not shown its certificate", where=str(self.folder.console(name)))
        self.folder.plate(name).write_text(Plate(tls_sha256=announced).model_dump_json(), encoding="ascii")

    def furnish(self) -> None:
        """Called in each host's own mounts: shows what every host of the lab finds."""
        if self.virtual:
            hypervisor.show_socket(self.folder.hypervisor)

    @property
    def _update_server(self) -> str:
        return f"{self.topology.single('update-server')}.{self.topology.dns.zone}"

    def lay(self) -> None:
        """Writes all that needs no running program."""
        (self.folder.path / "hosts").mkdir()
        for name in self.topology.machines:
            self.folder.host(name).mkdir()
            (self.folder.host(name) / RESOLV_CONF).write_text(self._resolv_conf(), encoding="ascii")
        self.folder.authorities.write_bytes(self._authority.root_pem)
        self.folder.topology.write_text(self.topology.model_dump_json(), encoding="utf-8")
        for name, host in self.topology.hosts.items():
            if host.role == "nameserver":
                self._lay_nameserver(name)
            elif host.role == "resolver":
                self._lay_resolver(name)
            elif host.role == "update-server":
                folder = self.folder.host(name)
                _keep(self._authority.issue((self._update_server,)), folder / "certificate.pem", folder / "key.pem")
            elif host.role == "bmc":
                self._lay_bmc(name)
        if self.virtual:
            self.virtual.lay()
        if self.topology.boxes:
            self.folder.site_key.parent.mkdir()
            _keep(self._site_certificate, self.folder.site_certificate, self.folder.site_key)

    def _resolv_conf(self) -> str:
        lines = [f"nameserver {address}\n" for address in self.topology.resolver_addresses]
        return "".join((f"search {self.topology.dns.zone}\n", *lines, "options timeout:2 attempts:2\n"))

    def _lay_nameserver(self, name: str) -> None:
        folder, zone = self.folder.host(name), self.topology.dns.zone
        machines = self.topology.machines
        names: dict[str, tuple[str, ...]] = {
            f"{machine}.{zone}": self.topology.addresses(machine) for machine in machines
        }
        names[self.topology.site.name] = self.topology.site_addresses
        text = nameserver.zone_file(zone, self.topology.dns.ttl_seconds, f"{name}.{zone}", names)
        (folder / f"{zone}.zone").write_text(text, encoding="ascii")
        tsig = operator.secret(self.folder.operator, operator.TSIG_KEY)
        place = self._nameserver_place(name)
        operator.write_private(folder / "named.conf", nameserver.authoritative(place, zone, tsig).encode())

    def _lay_resolver(self, name: str) -> None:
        server = self.topology.single("nameserver")
        place = self._nameserver_place(name)
        text = nameserver.caching(place, self.topology.addresses(str(server)))
        (self.folder.host(name) / "named.conf").write_text(text, encoding="ascii")

    def _nameserver_place(self, name: str) -> nameserver.Place:
        folder = self.folder.host(name)
        said = subprocess.run([_named(folder), "-v"], capture_output=True, text=True, check=False)
        return nameserver.Place(str(folder), *self.topology.addresses(name), said.stdout)

    def _lay_bmc(self, name: str) -> None:
        metal = [bmc.system_id(box.serial_number) for box in self.topology.boxes.values() if box.kind == "physical"]
        address, _ = self.topology.addresses(name)
        bmc.lay(
            self.folder.host(name),
            address,
            self._bmc_certificate,
            operator.secret(self.folder.operator, operator.BMC_PASSWORD),
            metal,
        )

    def make_identity(self) -> Command | None:
        """Makes the operator's age identity; only who replaces boxes needs one."""
        if not self.topology.boxes:
            return None
        return self._python(self.folder.path, "toolkit.lab.operator", str(self.folder.operator), log="identity.log")

    def make_content(self) -> Command | None:
        """Makes the update server's repository, and the boxes, which are given its root of trust."""
        if self.topology.single("update-server") is None:
            return None
        return self._python(
            self.folder.path,
            "toolkit.lab.manufacturer",
            str(self.folder.path),
            f"https://{self._update_server}",
            log="manufacturer.log",
        )

    def command(self, name: str) -> Command | None:
        """What runs on a machine while it has power, or None."""
        folder = self.folder.host(name)
        match self.role(name):
            case "nameserver" | "resolver":
                arguments = [str(_named(folder)), "-g", "-n", "1", "-c", str(folder / "named.conf")]
                return Command(arguments, folder, folder / LOG, self._environment)
            case "update-server":
                return self._python(
                    folder,
                    "toolkit.emulator.update_server",
                    "serve",
                    "--folder", str(self.folder.updates),
                    "--address", self.topology.addresses(name)[0],
                    "--certificate", str(folder / "certificate.pem"),
                    "--key", str(folder / "key.pem"),
                )  # fmt: skip
            case "bmc":
                return bmc.command(folder, folder / LOG, self._environment)
            case "appliance":
                return self._python(
                    folder,
                    "toolkit.emulator.appliance",
                    "run",
                    "--disk", str(self.folder.disk(name)),
                    "--console", str(self.folder.console(name)),
                )  # fmt: skip
            case _:
                return None

    def _python(self, folder: Path, module: str, *arguments: str, log: str = LOG) -> Command:
        return Command((sys.executable, "-P", "-m", module, *arguments), folder, folder / log, self._environment)

    def describe(self) -> None:
        """Writes what was built: `lab.json`, and the operator's inventory."""
        description = self._description()
        write_inventory(self.folder, description)
        given = {path.name: path for path in sorted(self.folder.operator.iterdir())}
        text = description.model_copy(update={"operator": given}).model_dump_json(indent=2) + "\n"
        write_whole(self.folder.description, text.encode())

    def _description(self) -> LabDescription:
        topology = self.topology
        server, resolver = topology.single("nameserver"), topology.single("resolver")
        controller = topology.single("bmc")
        return LabDescription(
            name=self.folder.name,
            supervisor=self._supervisor,
            user_namespace=self._user_namespace,
            seconds=round(time.monotonic() - self._started, 3),
            topology=topology,
            machines={name: self._describe(name) for name in topology.machines},
            site=SiteDescription(
                name=topology.site.name,
                addresses=topology.site_addresses,
                certificate_sha256=self._site_certificate.sha256,
            ) if topology.boxes else None,
            dns=DnsDescription(
                zone=topology.dns.zone,
                server=topology.addresses(server)[0],
                resolver=topology.addresses(resolver or server)[0],
                tsig_name=nameserver.TSIG_NAME,
                tsig_algorithm=nameserver.TSIG_ALGORITHM,
            ) if server else None,
            bmc=BmcDescription(
                address=topology.addresses(controller)[0],
                username=bmc.USERNAME,
                certificate_sha256=self._bmc_certificate.sha256,
                systems={
                    name: str(bmc.system_id(box.serial_number))
                    for name, box in topology.boxes.items()
                    if box.kind == "physical"
                },
            ) if controller else None,
        )  # fmt: skip

    def _describe(self, name: str) -> MachineDescription:
        box = self.topology.boxes.get(name)
        plate = self.folder.plate(name)
        return MachineDescription(
            role=self.role(name),
            addresses=self.topology.interfaces(self.topology.machines[name].number),
            mac=self.mac(name),
            interface=INTERFACE,
            folder=self.folder.host(name),
            serial_number=box.serial_number if box else None,
            # a machine that nobody has made yet, or that is blank, shows no certificate
            tls_sha256=Plate.model_validate_json(plate.read_bytes()).tls_sha256 if plate.exists() else None,
            console=self.folder.console(name) if box else None,
        )


def _keep(issued: Issued, certificate: Path, key: Path) -> None:
    certificate.write_bytes(issued.chain_pem)
    operator.write_private(key, issued.key_pem)


def _named(folder: Path) -> Path:
    """A copy of named: AppArmor confines the installed one, by its path, to the system's own folders."""
    installed = next((path for path in map(Path, _NAMED) if path.exists()), None)
    if installed is None:
        raise InputError(
            "the lab needs the name server BIND, which is not installed",
            where="named",
            next_move="Install it: apt-get install bind9",
        )
    copy = folder / "named"
    if not copy.exists():
        shutil.copy(installed, copy)
    return copy
