"""From the inventory to a machine behind its BMC; nothing is asked of the BMC before it is needed."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from toolkit.appliances.world import World
from toolkit.model.execution import Clock
from toolkit.model.provision import Bmc as Settings
from toolkit.model.provision import OldBmc, RedfishProvision
from toolkit.provision.metal.bmc import Bmc
from toolkit.provision.metal.following import Limits
from toolkit.provision.metal.identity import MachineIdentity
from toolkit.provision.metal.installer_boot import InstallerBoot
from toolkit.provision.metal.jobs import InstallOrder, WipeOrder, install_order
from toolkit.provision.metal.machine import RedfishMachine
from toolkit.provision.metal.notebook import Notebook
from toolkit.provision.metal.old_firmware import OldFirmware
from toolkit.provision.metal.old_machine import OldMachine


def identity(settings: Settings, box_serial: str, macs: tuple[str, ...]) -> MachineIdentity:
    """The machine that is meant; its serial number is the box's unless it has another."""
    return MachineIdentity(settings.machine_serial or box_serial, settings.machine_uuid, macs)


def sign_in(world: World, settings: Settings, whose: str) -> Bmc:
    """Raises ReboxError as `Bmc.connect` does."""
    return Bmc.connect(
        settings.url,
        settings.username,
        world.secret(settings.password, f"{whose} machine's BMC"),
        tls_sha256=settings.tls_sha256,
        ca_file=str(world.path(settings.ca_file)) if settings.ca_file else None,
        system=settings.system,
    )


def redfish_machine(
    world: World, provision: RedfishProvision, state: Path, clock: Clock, *, again: bool = False
) -> RedfishMachine:
    """The new box's machine; `state` is where all runs of this host keep what they have begun."""
    inventory = world.inventory
    meant = identity(provision.bmc, inventory.new.serial_number, (provision.mac,))

    def order() -> InstallOrder:
        password = inventory.new.admin_password
        assert password  # noqa: S101  an inventory without it is refused
        secret = world.secret(password, "the new box's admin account")
        return world.once("install-order", lambda: install_order(inventory, provision, meant, secret, world.path))

    return RedfishMachine(
        _opening(world, provision.bmc, meant, "the new", Notebook(state, meant.serial_number), clock=clock),
        lambda: order().sha256,
        lambda media: order().write_iso(media),
        known_tls_sha256=inventory.new.tls_sha256,
        again=again,
    )


def old_machine(world: World, old_bmc: OldBmc, state: Path, clock: Clock) -> OldMachine:
    """The old box's machine, whose disks are to be wiped."""
    order = partial(WipeOrder, known_signatures=old_bmc.known_signatures)
    return OldMachine(_opening_old(world, old_bmc, state, clock), old_bmc.disk_serials, order)


def old_firmware(world: World, old_bmc: OldBmc, state: Path, clock: Clock) -> OldFirmware:
    """The same machine's firmware."""
    return OldFirmware(_opening_old(world, old_bmc, state, clock), old_bmc.firmware_reset)


def _opening_old(world: World, old_bmc: OldBmc, state: Path, clock: Clock) -> Callable[[], InstallerBoot]:
    meant = identity(old_bmc, world.inventory.old.serial_number, old_bmc.macs)
    return _opening(world, old_bmc, meant, "the old", Notebook(state, meant.serial_number), clock=clock)


def _opening(
    world: World, settings: Settings, meant: MachineIdentity, whose: str, notebook: Notebook, *, clock: Clock
) -> Callable[[], InstallerBoot]:
    return lambda: InstallerBoot(
        bmc=sign_in(world, settings, whose),
        settings=settings,
        meant=meant,
        notebook=notebook,
        clock=clock,
        base_path=world.path,
        limits=Limits(),
    )
