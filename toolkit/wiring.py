"""The one place where implementations are picked: drivers, provisioner, procedure."""

import getpass
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from toolkit.appliances.connection import BoxConnection
from toolkit.appliances.emulated import EmulatedAppliance
from toolkit.appliances.facts import read_facts
from toolkit.appliances.first_password import first_password
from toolkit.appliances.protocol import Appliance
from toolkit.appliances.provisioner import ExistingBox, Provisioner
from toolkit.appliances.quarantine import Quarantine
from toolkit.appliances.world import RUN_INVENTORY, Role, World
from toolkit.backup.age import check_recipients
from toolkit.catalogue import GATES, STEPS
from toolkit.engine.believed import evidence_head, examine
from toolkit.engine.dry_run import NoEvidence
from toolkit.engine.events import Observer, unobserved
from toolkit.engine.history import read_history
from toolkit.engine.journal import COPIES_FOLDER
from toolkit.engine.locks import BoxLocks
from toolkit.engine.operators import NobodyThere, Operator
from toolkit.engine.outcomes import RunOutcome
from toolkit.engine.recovery import Effect, Seen
from toolkit.engine.runs import Engine
from toolkit.evidence.log import examine_evidence
from toolkit.lab.folder import state_folder
from toolkit.lab.mover import StickMover
from toolkit.lab.provisioner import LabMachine
from toolkit.model.carry import Carry
from toolkit.model.errors import InputError, ReboxError
from toolkit.model.execution import StepContext
from toolkit.model.facts import Facts, NameFacts
from toolkit.model.inventory import DnsSwing, Inventory, read_inventory
from toolkit.model.plan import Plan
from toolkit.model.provision import LabProvision, LibvirtProvision, NewMachine, OldVirtualMachine, RedfishProvision
from toolkit.model.run_report import RunReport
from toolkit.model.settings_text import line_of
from toolkit.model.vantage import SshVantagePoint, VantagePoint
from toolkit.procedures.hardware_migration import plan_hardware_migration
from toolkit.procedures.settings_reset import plan_settings_reset
from toolkit.recognition import recognise
from toolkit.reset.begun import irreversible_has_begun
from toolkit.secrets import resolve
from toolkit.signing import own_key, trusted_signers
from toolkit.storage.given_file import read_given_text
from toolkit.traffic.around import look_around as look_at_site_and_boxes
from toolkit.traffic.dns import zone_of
from toolkit.traffic.watching import end_watches

if TYPE_CHECKING:
    from toolkit.media.courier import StickCourier
    from toolkit.probes.watch import VantagePoint as WatchedFrom
    from toolkit.provision.metal.machine import RedfishMachine
    from toolkit.provision.virtual.machine import VirtualMachine
    from toolkit.provision.virtual.old_disks import OldVirtualDisks

_ORIGIN = "origin.json"

WrapTransport = Callable[[httpx.BaseTransport], httpx.BaseTransport]


def open_quarantine() -> Quarantine:
    """The boxes that may be in no plan, as this machine knows them."""
    return Quarantine(_state_directory())


def refuse_quarantined(file: Path) -> Inventory:
    """The inventory in `file`; raises RefusedError when one of its boxes is in quarantine, and as `load_inventory`."""
    inventory = load_inventory(file)
    open_quarantine().refuse(boxes_of(inventory).items())
    return inventory


def boxes_of(inventory: Inventory) -> dict[Role, str]:
    """The serial numbers of an inventory's boxes, by role."""
    return {"old": inventory.old.serial_number, "new": inventory.new.serial_number}


def load_inventory(file: Path) -> Inventory:
    """The inventory in `file`; raises InputError naming file, line and field."""
    return Origin.of_file(file).inventory()


def open_world(
    inventory: Inventory,
    base: Path,
    *,
    inventory_file: Path,
    read_only: bool = False,
    confirmed_serial_number: str | None = None,
    wrap_transport: WrapTransport = lambda transport: transport,
) -> World:
    """Drivers for both boxes; nothing is asked of them yet.

    `read_only` worlds refuse on our side whatever could change a box: planning and dry runs use them.
    """
    secrets: dict[str, str] = {}

    def secret(reference: str, purpose: str) -> str:
        if reference not in secrets:
            secrets[reference] = resolve(reference, purpose, base=base)
        return secrets[reference]

    def driver(role: Role) -> Appliance:
        box = inventory.old if role == "old" else inventory.new
        password = box.admin_password

        def client_secret() -> str:
            return secret(box.client_secret, f"the {role} box's API account")

        connection = BoxConnection(
            role,
            box.address,
            box.port,
            {box.tls_sha256} if box.tls_sha256 else set(),
            client_id=box.client_id,
            client_secret=client_secret,
            read_only=read_only,
            settings_in=lambda: world.inventory_file,
            wrap_transport=wrap_transport,
        )

        def admin_password() -> str:
            assert password  # noqa: S101  asked for below only where there is one
            return secret(password, f"the {role} box's admin account")

        def one_time_password() -> str:
            return first_password(admin_password(), box.serial_number)

        made_here = role == "new" and isinstance(inventory.provision, NewMachine)
        return EmulatedAppliance(
            connection,
            client_id=box.client_id,
            client_secret=client_secret,
            admin_password=admin_password if password else None,
            first_password=one_time_password if made_here else None,
        )

    world = World(
        inventory=inventory,
        base=base,
        old=driver("old"),
        new=driver("new"),
        resolve_secret=secret,
        quarantine=open_quarantine(),
        known_secrets=lambda: frozenset(secrets.values()),
        provisioner=ExistingBox(),
        # also in a lab: what a rehearsal has signed can be checked when its lab is gone
        signing_key=lambda: own_key(state_folder()),
        confirmed_serial_number=confirmed_serial_number or inventory.reset.confirm_serial_number,
        operator_name=operator_name(),
        inventory_file=inventory_file,
    )
    world.provisioner = _provisioner(world)
    world.vantage_points = tuple(_vantage_point(world, place) for place in inventory.watch.vantage_points)
    if inventory.carry is not None:
        world.courier = _courier(world, inventory.carry)
    if inventory.old_bmc is not None:
        from toolkit.provision.metal.opening import old_firmware, old_machine  # noqa: PLC0415  (slow to import, and wanted only where there is one)

        world.old_disks = old_machine(world, inventory.old_bmc, _state_directory(), SystemClock())
        world.old_firmware = old_firmware(world, inventory.old_bmc, _state_directory(), SystemClock())
    if inventory.old_vm is not None:
        world.old_disks = _old_virtual_machine(inventory, inventory.old_vm)
    return world


def _vantage_point(world: World, place: VantagePoint) -> "WatchedFrom":
    if isinstance(place, SshVantagePoint):
        from toolkit.traffic.far_watch import FarVantagePoint  # noqa: PLC0415  (wanted only where there is one)

        return FarVantagePoint(place, world.path(place.key_file))
    from toolkit.lab.vantage import LabVantagePoint  # noqa: PLC0415  (wanted only where there is one)

    return LabVantagePoint(place.name, world.path(place.folder), place.host)


def _courier(world: World, carry: Carry) -> "StickCourier":
    """The stick that an inventory names; it is not looked for yet."""
    mover = carry.mover
    from toolkit.media.courier import StickCourier  # noqa: PLC0415  (slow to import, and wanted only where there is one)
    from toolkit.media.stations import station  # noqa: PLC0415  (slow to import, and wanted only where there is one)

    return StickCourier(
        choice=carry.stick,
        stations={"old": station(carry.old, world.path), "new": station(carry.new, world.path)},
        move=None
        if mover is None
        else StickMover(world.path(mover.folder), {"old": mover.old_host, "new": mover.new_host}),
        key=world.signing_key,
        trusted=lambda: trusted_signers(state_folder()),
        clock=SystemClock(),
    )


def _old_virtual_machine(inventory: Inventory, old_vm: OldVirtualMachine) -> "OldVirtualDisks":
    from toolkit.provision.virtual.old_disks import OldVirtualDisks  # noqa: PLC0415  (slow to import, and wanted only where there is one)

    return OldVirtualDisks(
        uri=old_vm.uri,
        name=old_vm.name,
        uuid=old_vm.machine_uuid,
        serial_number=old_vm.machine_serial or inventory.old.serial_number,
        disk_serials=old_vm.disk_serials,
        leave=old_vm.leave,
        state=_state_directory(),
    )


def _provisioner(world: World) -> Provisioner:
    provision = world.inventory.provision
    if isinstance(provision, LabProvision):
        return LabMachine((world.base / provision.folder).resolve(), provision.host)
    if isinstance(provision, LibvirtProvision):
        return virtual_machine(world, provision)
    if isinstance(provision, RedfishProvision):
        from toolkit.provision.metal.opening import redfish_machine  # noqa: PLC0415  (slow to import, and wanted only where there is one)

        return redfish_machine(world, provision, _state_directory(), SystemClock())
    return ExistingBox()


def virtual_machine(world: World, provision: LibvirtProvision) -> "VirtualMachine":
    """The new box of an inventory as a virtual machine; nothing is asked of its host yet."""
    inventory = world.inventory

    def admin_password() -> str:
        reference = inventory.new.admin_password
        assert reference  # noqa: S101  an inventory without it is refused
        return world.secret(reference, "the new box's admin account")

    from toolkit.provision.virtual.machine import VirtualMachine  # noqa: PLC0415  (slow to import, and wanted only where there is one)
    from toolkit.provision.virtual.mark import here  # noqa: PLC0415  (slow to import, and wanted only where there is one)
    from toolkit.provision.virtual.preparation import prepare  # noqa: PLC0415  (slow to import, and wanted only where there is one)

    return VirtualMachine(
        provision.uri,
        provision.name,
        serial_number=inventory.new.serial_number,
        address=inventory.new.address,
        boot_seconds_max=provision.boot_seconds_max,
        prepare=lambda: prepare(inventory, provision, admin_password, world.path),
        state=_state_directory(),
        maker=lambda: here(world.inventory_file.resolve()),
    )


def look_at_box(inventory_path: Path, role: Role) -> Appliance:
    """One box of an inventory, for commands that only look: whatever could change it is refused on our side."""
    return _world_of(inventory_path, read_only=True).box(role)


@contextmanager
def hold_box(inventory_path: Path, role: Role, command: str) -> Iterator[tuple[Appliance, Inventory]]:
    """One box of an inventory, for a command that works on it: no run and no other command does so meanwhile.

    Yields the box and the inventory. `command` is what others are told who has the box. Raises RefusedError naming who
    has it now, InputError when another box than the inventory's answers.
    """
    world = _world_of(inventory_path)
    inventory = world.inventory
    serial_number = (inventory.old if role == "old" else inventory.new).serial_number
    with box_locks().hold_for_command(serial_number, command):
        box = world.box(role)
        answers = box.status().serial_number
        if answers != serial_number:
            raise InputError(
                f"this is not the {role} box",
                where=box.address,
                why=f"the inventory says serial number {serial_number}, the box says {answers}",
                next_move=f"Correct {role}.address or {role}.serial_number.",
            )
        yield box, inventory


def _world_of(inventory_path: Path, *, read_only: bool = False) -> World:
    inventory = load_inventory(inventory_path)
    return open_world(inventory, inventory_path.parent, inventory_file=inventory_path, read_only=read_only)


def open_virtual_machine(inventory_path: Path, *, fetch_secrets: bool = False) -> "tuple[VirtualMachine, Inventory]":
    """The new box of an inventory whose `[provision]` says driver libvirt; raises InputError when it says another.

    `fetch_secrets` asks now for the password that making it needs: a prompt must not come in the middle.
    """
    world = _world_of(inventory_path)
    provision = world.inventory.provision
    if not isinstance(provision, LibvirtProvision):
        raise InputError(
            "the new box is no virtual machine that is made through libvirt",
            where=str(inventory_path),
            why=f'provision.driver is "{provision.driver}"',
            next_move='Set driver = "libvirt" in [provision] (docs/provisioning.md).',
        )
    password = world.inventory.new.admin_password
    if fetch_secrets and password is not None:
        world.secret(password, "the new box's admin account")
    return virtual_machine(world, provision), world.inventory


def open_metal(inventory_path: Path, *, again: bool = False) -> "tuple[RedfishMachine, Inventory]":
    """The new box of an inventory whose `[provision]` says driver redfish; raises InputError when it says another."""
    world = _world_of(inventory_path)
    provision = world.inventory.provision
    if not isinstance(provision, RedfishProvision):
        raise InputError(
            "the new box is no physical machine behind a BMC",
            where=str(inventory_path),
            why=f'provision.driver is "{provision.driver}"',
            next_move='Set driver = "redfish" in [provision] (docs/provisioning-metal.md).',
        )
    from toolkit.provision.metal.opening import redfish_machine  # noqa: PLC0415  (slow to import, and wanted only where there is one)

    machine = redfish_machine(world, provision, _state_directory(), SystemClock(), again=again)
    return machine, world.inventory


def look(world: World) -> Facts:
    """The facts of both boxes and the name, read only."""
    swing = world.inventory.swing
    name = None
    if isinstance(swing, DnsSwing):
        records = zone_of(world, swing).look_up(world.inventory.site.name)
        name = NameFacts(addresses=tuple(sorted(records.addresses)), ttl_seconds=records.ttl_seconds)
    return read_facts(world.old, world.new, name)


def make_plan(file: Path, *, wrap_transport: WrapTransport = lambda transport: transport) -> Plan:
    """The plan for an inventory: looks at the boxes, changes nothing, writes nothing.

    Raises RefusedError when a box is in quarantine, before any is asked.
    """
    inventory = refuse_quarantined(file)
    world = open_world(inventory, file.parent, inventory_file=file, read_only=True, wrap_transport=wrap_transport)
    notes = [str(recognised) for recognised in recognise(world, _state_directory(), RUN_INVENTORY)]
    plan = plan_hardware_migration(inventory, look(world))
    return plan.model_copy(update={"notes": (*plan.notes, *notes)})


def make_settings_reset_plan(file: Path) -> Plan:
    """The plan that only resets the old box of an inventory; a box in quarantine is just what it may be for."""
    return plan_settings_reset(load_inventory(file))


@dataclass(frozen=True)
class Origin:
    """Where a run came from, kept in its folder: a resumed run reads its inventory from there.

    `file` is what the text was read from and is read from again, `folder` that of the first inventory: paths count
    from there.
    """

    inventory_text: str
    file: Path
    folder: Path

    def attachments(self) -> dict[str, bytes]:
        """The files that `Engine.start` puts into the run's folder."""
        return {
            RUN_INVENTORY: self.inventory_text.encode(),
            _ORIGIN: json.dumps({"folder": str(self.folder)}, indent=2).encode(),
        }

    @classmethod
    def of_file(cls, file: Path) -> "Origin":
        """The origin of a run that is about to be started from an inventory; raises InputError."""
        text = read_given_text(file, what="the inventory cannot be read", next_move="Give the path of a TOML file.")
        return cls(text, file, file.resolve().parent)

    @classmethod
    def of_run(cls, run_directory: Path) -> "Origin":
        """The origin of a run that is there; raises InputError, also when the world it was made for is gone."""
        try:
            folder = Path(json.loads((run_directory / _ORIGIN).read_text(encoding="utf-8"))["folder"])
        except (OSError, ValueError, LookupError, TypeError):
            raise InputError(
                "it cannot be read where the run's inventory came from",
                where=str(run_directory / _ORIGIN),
                why="the file is missing or damaged",
                next_move=f"Put it back from its copy, {run_directory / COPIES_FOLDER / _ORIGIN}.",
            ) from None
        if not folder.is_dir():
            raise InputError(
                f"run {run_directory.name} can be neither resumed nor taken back",
                where=str(folder),
                why="the folder of its inventory is gone; when it was a rehearsal, its lab was taken down",
                next_move="Put the folder back; or, when the boxes are gone with it, give them free: rebox abandon "
                f"{run_directory.name}",
            )
        file = run_directory / RUN_INVENTORY
        text = read_given_text(
            file, what="the run's inventory cannot be read", next_move="Put it back, or start a new run."
        )
        return cls(text, file, folder)

    def inventory(self) -> Inventory:
        """The inventory, its recipients proved to be keys; raises InputError naming file, line and field."""
        inventory = read_inventory(self.inventory_text, str(self.file))
        for number, recipient in enumerate(inventory.backup.recipients):
            try:
                check_recipients([recipient])
            except InputError as error:
                line = line_of(self.inventory_text, ("backup", "recipients", number))
                raise InputError(
                    f'field "backup.recipients.{number}"',
                    where=f"{self.file}:{line}" if line else str(self.file),
                    why=f"{error.what}: {error.why}",
                    next_move=error.next_move,
                ) from None
        return inventory


def build_engine(
    origin: Origin,
    runs_directory: Path,
    *,
    observer: Observer = unobserved,
    operator: Operator | None = None,
    checkpoint: Callable[[str], None] = lambda _: None,
    confirmed_serial_number: str | None = None,
    read_only: bool = False,
    fetch_secrets: bool = False,
    only_old: bool = False,
    new_is_off: str | None = None,
    wrap_transport: WrapTransport = lambda transport: transport,
) -> Engine:
    """An engine whose steps and gates know the boxes of `origin`.

    `fetch_secrets` asks for all secrets at once; with `only_old`, for those of the old box. `new_is_off` is the serial
    number of the new box, from somebody who has pulled its plug; raises InputError when it is another one.
    """
    world = open_world(
        origin.inventory(),
        origin.folder,
        inventory_file=origin.file,
        read_only=read_only,
        confirmed_serial_number=confirmed_serial_number,
        wrap_transport=wrap_transport,
    )
    if new_is_off is not None:
        world.new_is_off = _is_the_new_one(origin, new_is_off)
    if read_only:
        recognise(world, _state_directory(), RUN_INVENTORY)
    if fetch_secrets:
        world.fetch_secrets(only_old=only_old)
    return Engine(
        runs_directory=runs_directory,
        state_directory=_state_directory(),
        implementations=STEPS,
        gates=GATES,
        world=world,
        clock=SystemClock(),
        observer=observer,
        operator=operator or NobodyThere(),
        checkpoint=checkpoint,
    )


class _NoBoxes:
    """The world of an engine that ends runs by hand: it has no boxes, and asks for no secret."""

    def secret_values(self) -> frozenset[str]:
        """None is fetched."""
        return frozenset()

    def work_in(self, run_directory: Path) -> None:
        """Nothing is kept."""

    def answers(self, role: str) -> bool:
        """There is none."""
        return False


def look_around(run_directory: Path, plan: Plan) -> tuple[str, ...]:
    """What stands where, for a run that somebody is about to end by hand; changes nothing, raises nothing of ours."""
    try:
        origin = Origin.of_run(run_directory)
        world = open_world(origin.inventory(), origin.folder, inventory_file=origin.file, read_only=True)
        results = {n: s.result for n, s in read_history(run_directory).steps.items() if s.result is not None}
    except (ReboxError, OSError, ValueError) as error:
        return (f"Site and boxes could not be looked at: {getattr(error, 'why', '') or error}.",)
    context = StepContext(
        plan=plan,
        step=plan.steps[0],
        run_id=run_directory.name,
        run_directory=run_directory,
        world=world,
        evidence=NoEvidence(),
        clock=SystemClock(),
        progress=lambda fraction, phase: None,
        results=results,
    )
    return tuple(f"{sight.subject}: {sight.words}" for sight in look_at_site_and_boxes(context))


def abandon(run_id: str, runs_directory: Path, seen: tuple[str, ...]) -> RunOutcome:
    """Ends a run by hand; raises as `Engine.abandon`."""
    engine = Engine(
        runs_directory=runs_directory,
        state_directory=_state_directory(),
        implementations={},
        gates={},
        world=_NoBoxes(),
        clock=SystemClock(),
    )
    return engine.abandon(run_id, operator_name(), seen, end_watches)


def box_locks() -> BoxLocks:
    """The locks and claims on boxes, as this machine knows them."""
    return BoxLocks(_state_directory(), SystemClock().now)


def _is_the_new_one(origin: Origin, serial_number: str) -> bool:
    expected = origin.inventory().new.serial_number
    if serial_number.strip() != expected:
        raise InputError(
            "this is not the new box",
            where="--new-is-off",
            why=f"{serial_number!r} was given, the new box of this run is {expected}",
            next_move="Read the serial number off the label of the machine whose plug you pulled; nothing was changed.",
        )
    return True


def has_begun(context: StepContext) -> Seen:
    """Of an irreversible step: whether it has begun, as the world tells."""
    begun, words = irreversible_has_begun(context)
    effect = Effect.UNKNOWN if begun is None else Effect.THERE if begun else Effect.MISSING
    return Seen(effect, words)


def _state_directory() -> Path:
    """Where locks and claims on boxes are; a lab's boxes exist only in that lab, so theirs are there."""
    lab = os.environ.get("REBOX_LAB")
    return state_folder() if lab is None else Path(lab) / "operator" / "state"


def operator_name() -> str:
    """Who is at work, as records name them: the user who called, also through sudo."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The time of day (UTC)."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)


def write_run_report(run_directory: Path) -> RunReport:
    """Writes `report.html`, `report.json` and `runbook.md` of a run, finished or not.

    Of a damaged one it tells what is believed, and what is not known.
    """
    run = examine(run_directory)
    evidence = examine_evidence(run_directory, evidence_head(run.records))
    from toolkit.report import write_report  # noqa: PLC0415  (after all that users wait for)
    from toolkit.report.compose import compose  # noqa: PLC0415  (as above)

    report = compose(run_directory)
    if evidence.damage:
        note = f"Evidence is damaged, and not all of it is believed: {evidence.damage}."
        report = report.model_copy(update={"notes": (note, *report.notes)})
    write_report(report, evidence.records, run.plan, run_directory)
    return report
