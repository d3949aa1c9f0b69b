"""The hardware migration (requirements H1 to H8) as a pure function: inventory and facts in, plan out."""

from collections.abc import Iterator

from toolkit.model.counting import counted
from toolkit.model.errors import RefusedError
from toolkit.model.facts import Facts
from toolkit.model.inventory import DnsSwing, Inventory, SharedAddressSwing
from toolkit.model.plan import GateReference, Mode, Plan, Severity, Step
from toolkit.model.provision import LibvirtProvision, OperatorProvision, RedfishProvision
from toolkit.procedures.carrying import carry_by_stick, taken_from
from toolkit.procedures.retiring import retire
from toolkit.procedures.returning import COLLECT, on_way_back

# measured on the emulated box; only used to tell people how long a step may take
_BYTES_PER_SECOND = 30e6
_READ_BYTES_PER_SECOND = 200e6


def plan_hardware_migration(inventory: Inventory, facts: Facts) -> Plan:
    """The steps that replace `inventory.old` by `inventory.new`, in order.

    Raises RefusedError when the facts say that it cannot work: then nothing has been changed.
    """
    _refuse_the_impossible(inventory, facts)
    steps = (
        *_prepare(inventory),
        *_secure(inventory, facts),
        *carry_by_stick(inventory, facts.old.status.records.recording_bytes if inventory.backup.records else 0),
        *_build_up(inventory, facts),
        *_swing(inventory, facts),
        *retire(inventory),
        _end_watch(),
    )
    return Plan(
        procedure=inventory.procedure,
        site=inventory.site.name,
        boxes={"old": inventory.old.serial_number, "new": inventory.new.serial_number},
        steps=steps,
        on_way_back=on_way_back(inventory),
        notes=tuple(_notes(inventory, facts)),
    )


def _refuse_the_impossible(inventory: Inventory, facts: Facts) -> None:
    seen = facts.old.status.serial_number
    if seen != inventory.old.serial_number:
        raise RefusedError(
            "another box answers as the old one",
            where=f"old ({inventory.old.address})",
            why=f"the inventory says serial number {inventory.old.serial_number}, the box says {seen}",
            next_move="Correct old.address or old.serial_number.",
        )
    new = facts.new.serial_number
    if new is not None and new != inventory.new.serial_number:
        same = "the old box itself" if new == seen else "another box"
        raise RefusedError(
            f"{same} answers as the new one",
            where=f"new ({inventory.new.address})",
            why=f"the inventory says serial number {inventory.new.serial_number}, the box says {new}",
            next_move="Correct new.address or new.serial_number.",
        )
    if facts.old.status.site_version is None:
        raise RefusedError(
            "the old box serves no site",
            where=f"old ({inventory.old.address})",
            why="it has no site package",
            next_move="There is nothing to migrate; check that old is the right box.",
        )


def _notes(inventory: Inventory, facts: Facts) -> Iterator[str]:
    if not facts.new.answers:
        yield "The new box did not answer when this was planned; it is looked at once provision-new has it running."
    sessions = facts.old.status.active_sessions
    if sessions:
        are = counted(sessions, "session is", "sessions are")
        if isinstance(inventory.swing, DnsSwing):
            yield f"{are} active on the old box and may outlive the swing; it is not reset before they end."
        else:
            yield f"{are} active on the old box; the swing ends what runs over the site's address."
    if isinstance(inventory.swing, SharedAddressSwing) and inventory.swing.overlap:
        yield "Overlap: both boxes own the site's address for a moment, and no packet finds nobody."
    if not inventory.backup.records:
        yield "Session records and recordings are left behind on the old box and are gone with its reset."


def _prepare(inventory: Inventory) -> Iterator[Step]:
    yield Step(
        name="inspect-old",
        kind="inspect-old",
        title="Look at the old box and at what the site's users see",
        why="Everything later is compared with this; nothing is begun on a box that is not well.",
        requirements=("A3", "H1"),
        changes=False,
        gates=(
            GateReference(code="eula-accepted", why="The new site package is installed only under its EULA (U10)."),
            GateReference(code="package-new-enough", why="A backup cannot be restored into an older site package."),
        ),
    )
    yield Step(
        name="capture-box-settings",
        kind="capture-box-settings",
        title="Capture what the old box itself is set to: network, clock, TLS, accounts by name",
        why="No backup holds it, and the reset of the old box destroys it.",
        requirements=("A3", "H2"),
        way_back="The file is kept; the old box was only read.",
    )
    yield _provision_new(inventory)
    yield Step(
        name="take-into-use",
        kind="take-into-use",
        title="Replace the new box's factory password and make the API account",
        why="A factory box has a password everybody knows.",
        requirements=("A1", "H6"),
        way_back="The new box keeps its password and account; it is out of service.",
    )


def _provision_new(inventory: Inventory) -> Step:
    provision = inventory.provision
    by_hand = isinstance(provision, OperatorProvision)
    made = provision if isinstance(provision, LibvirtProvision) else None
    step = Step(
        name="provision-new",
        kind="provision-by-hand" if by_hand else "provision-new",
        title=f"Have the virtual machine {made.name} made and running, and recognise the new box"
        if made
        else "Have the new box running, and recognise it",
        why="The new box must be there, and must be the one that was meant: serial number and TLS fingerprint.",
        requirements=("H1",),
        mode=Mode.OPERATOR if by_hand else Mode.AUTOMATIC,
        gates=(GateReference(code="new-address-free", why="An address in use by a stranger must not be taken."),),
        way_back="The virtual machine is deleted with its disks if it was made here; one that was there before is "
        "switched off again if it was switched on here."
        if made
        else "The new box is switched off again if it was switched on here.",
        back_seconds=5.0 if made else 2.0,
        # a machine that is deleted takes with it what is left on it; one that is only switched off keeps it
        back_after=(COLLECT,) if made else (COLLECT, "import-certificate", "carry-box-settings"),
        expected_seconds=60.0 if made else 4.0,
        parameters={"driver": provision.driver},
    )
    if isinstance(provision, RedfishProvision):
        return step.model_copy(
            update={
                "title": f"Have the machine behind {provision.bmc.url} installed and running, and recognise the box",
                "way_back": "The machine is switched off, its virtual drive emptied and its boot order put back; what "
                "was written stays on its disk.",
                "back_seconds": 30.0,
                "expected_seconds": 300.0,
            }
        )
    if not isinstance(provision, OperatorProvision):
        return step
    machine = provision.machine_serial or inventory.new.serial_number
    instructions = (
        f"1. Copy installer.iso from the run's folder (runs/latest) to a USB stick: "
        f"dd if=runs/latest/installer.iso of=/dev/STICK bs=1M oflag=direct conv=fsync. Where the machine cannot start "
        f"from USB, show it that file as a CD by a remote console (KVM), or give it to your PXE server: "
        f"rebox image netboot runs/latest/installer.iso FOLDER\n"
        f"2. Plug it into the machine {machine} and start it from there once (UEFI or BIOS); its own boot order stays "
        f"as it is. The installer writes the disk {provision.disk_serial} of that machine, which has the port "
        f"{provision.mac}, and nothing else.\n"
        "3. When its screen says done, the machine goes off. Pull the stick out and switch the machine on.\n"
        "4. Read `certificate sha256:` off the box's console and write it into the run's folder: "
        "echo FINGERPRINT > runs/latest/new-fingerprint\n"
        "The stick holds the box's one-time password as a hash: wipe it afterwards."
    )
    return step.model_copy(
        update={
            "expected_seconds": 900.0,
            "way_back": "The machine is switched off by hand.",
            "parameters": {
                **step.parameters,
                "instructions": instructions,
                "way_back_instructions": f"Switch the machine {machine} off.",
            },
        }
    )


def _secure(inventory: Inventory, facts: Facts) -> Iterator[Step]:
    kept = "The files are kept; the old box was only read."
    yield Step(
        name="back-up-settings",
        kind="back-up-settings",
        title="Download the old box's settings backup, encrypt it and read it back",
        why="It is what the new box is made from, and the last resort when all else fails.",
        requirements=("U9", "H2"),
        way_back=kept,
        expected_seconds=2.0,
    )
    if inventory.backup.records:
        yield Step(
            name="extract-records",
            kind="extract-records",
            title="Extract session records and recordings into an encrypted archive",
            why="No settings backup holds them, and the reset of the old box destroys them.",
            requirements=("A5", "H2"),
            way_back=kept,
            expected_seconds=2.0 + facts.old.status.records.recording_bytes / _BYTES_PER_SECOND,
        )
    yield Step(
        name="export-certificate",
        kind="export-certificate",
        title="Export the site's certificate, chain and private key",
        why="It may be the only copy of the key; users must see the same certificate afterwards.",
        requirements=("U9", "H3"),
        way_back=kept,
    )


def _build_up(inventory: Inventory, facts: Facts) -> Iterator[Step]:
    yield Step(
        name="carry-box-settings",
        kind="carry-box-settings",
        title="Carry the old box's own settings to the new one: routes, DNS, NTP, TLS",
        why="They are in no backup. The new box undoes a change of its network unless it is reached anew.",
        requirements=("A3", "H6"),
        gates=(
            GateReference(
                code="no-dangling-references",
                why="What points at nothing on the new box is told now, not when users miss it.",
                after="capture-box-settings",
            ),
        ),
        way_back="The new box gets back the settings it had.",
        back_seconds=2.0,
        back_needs=("new",),
        expected_seconds=2.0,
    )
    yield Step(
        name="install-site-package",
        kind="install-site-package",
        title=f"Install {inventory.package.version} on the new box, with what it requires",
        why="The backup can only be restored into a site package at least as new.",
        requirements=("U1", "U2", "U10", "H5"),
        way_back="The package stays on the new box, which is out of service.",
        expected_seconds=10.0,
        parameters={"version": inventory.package.version},
    )
    yield Step(
        name="import-certificate",
        kind="import-certificate",
        title="Import certificate, chain and key on the new box and assign it to its addresses",
        why="The new box must show users the certificate they know.",
        requirements=("H3", "H4"),
        way_back="The certificate and its key are removed from the new box.",
        back_seconds=1.0,
        back_needs=("new",),
        parameters=taken_from(inventory),
    )
    yield Step(
        name="restore-settings",
        kind="restore-settings",
        title="Restore the settings backup on the new box and compare record by record",
        why="Users, teams and Jump Clients move with it.",
        requirements=("H6",),
        way_back="The settings stay on the new box, which is out of service.",
        expected_seconds=3.0,
        parameters=taken_from(inventory),
    )
    if inventory.backup.records:
        yield Step(
            name="put-back-records",
            kind="put-back-records",
            title="Put session records and recordings back on the new box, as far as it takes them",
            why="Support history is part of the site.",
            requirements=("A5", "H6"),
            way_back="The records stay on the new box, which is out of service.",
            expected_seconds=2.0 + facts.old.status.records.recording_bytes / _BYTES_PER_SECOND,
            parameters=taken_from(inventory),
        )
    yield Step(
        name="prove-new",
        kind="prove-new",
        title="Prove the new box on its own address: certificate, health, content",
        why="Nothing is moved to a box that has not shown it can serve.",
        requirements=("H4", "H7"),
        changes=False,
    )


def _end_watch() -> Step:
    return Step(
        name="end-watch",
        kind="end-watch",
        title="End the watch, and judge what it saw since the soak",
        why="An outage counts whenever it happens: also while the old box is collected, reset and wiped.",
        requirements=("H7",),
        irreversible=True,
        expected_seconds=3.0,
    )


def _swing(inventory: Inventory, facts: Facts) -> Iterator[Step]:
    dns = inventory.swing if isinstance(inventory.swing, DnsSwing) else None
    if dns and facts.name:
        yield Step(
            name="lower-ttl",
            kind="lower-ttl",
            title=f"Lower the TTL of {inventory.site.name} to {dns.ttl_seconds} s and wait the old one out",
            why="Resolvers keep the old address as long as the TTL they saw.",
            requirements=("H7", "F6"),
            way_back=f"The TTL of {facts.name.ttl_seconds} s is put back.",
            back_seconds=1.0,
            expected_seconds=facts.name.ttl_seconds + 1.0,
            parameters={"ttl_before_seconds": facts.name.ttl_seconds},
        )
    yield Step(
        name="verify-backups",
        kind="verify-backups",
        title="Read every byte of the backups once more, and open them",
        why="They are the last resort from here on; later, while traffic moves, there is no time to read them.",
        requirements=("U9", "H2"),
        way_back="The files are kept; they were only read.",
        expected_seconds=2.0
        + (facts.old.status.records.recording_bytes / _READ_BYTES_PER_SECOND if inventory.backup.records else 0.0),
    )
    yield Step(
        name="start-watch",
        kind="start-watch",
        title="Watch the site without a pause, until the run has ended",
        why="The outage is measured, not guessed; the watch goes on even if this command is killed.",
        requirements=("H7",),
        way_back="The watch is ended, once the old box is proven to serve.",
    )
    yield Step(
        name="carry-changes",
        kind="carry-changes",
        title="Compare the old box with what was carried, and carry over what has changed since",
        why="A user that was disabled after the backup would get in again on the new box.",
        requirements=("H2", "H6"),
        way_back="The files are kept; the settings stay on the new box, which is out of service.",
        expected_seconds=1.0,
        renewed=True,
    )
    before: tuple[GateReference, ...] = (
        GateReference(code="site-watched", why="What nobody watches cannot be measured later.", after="start-watch"),
        GateReference(
            code="new-proven",
            why="The new box must serve the site's certificate and be healthy now.",
            after="prove-new",
        ),
        GateReference(code="old-owns-site", why="Exactly the old box may answer for the site before the swing."),
        GateReference(
            code="backup-intact",
            why="The backup must still be readable before traffic moves.",
            after="verify-backups",
        ),
    )
    before += (
        GateReference(
            code="old-unchanged",
            why="What is changed on the old box from now on would be lost with it.",
            after="carry-changes",
        ),
    )
    if not dns:
        # a name that changes ends no connection; an address that leaves ends every one
        ends = "The swing ends every session that is active (U7)."
        before += (GateReference(code="no-active-sessions", severity=Severity.WARN, why=ends),)
    if dns:
        yield Step(
            name="swing-traffic",
            kind="swing-dns",
            title=f"Point {inventory.site.name} at {', '.join(dns.new_addresses)} and wait for every resolver",
            why="From here on users reach the new box.",
            requirements=("H7", "F6"),
            gates=before,
            way_back=f"The name is pointed at {', '.join(facts.name.addresses if facts.name else ())} again.",
            back_seconds=dns.ttl_seconds + 1.0,
            back_needs=("old",),
            expected_seconds=dns.ttl_seconds + 1.0,
            interrupts_service=True,
            parameters={
                "addresses_before": list(facts.name.addresses if facts.name else ()),
                "ttl_before_seconds": facts.name.ttl_seconds if facts.name else 0,
            },
        )
    else:
        yield Step(
            name="swing-traffic",
            kind="swing-shared-address",
            title=f"Move {', '.join(inventory.site.addresses)} from the old box to the new one",
            why="From here on users reach the new box.",
            requirements=("H7", "F6"),
            gates=before,
            way_back="The address is disabled on the new box, if it answers, and enabled on the old one.",
            back_seconds=2.0,
            back_needs=("old",),
            interrupts_service=True,
        )
    yield Step(
        name="prove-site",
        kind="prove-site",
        title="Prove that users reach the new box: owner, certificate, health",
        why="The setter is never believed.",
        requirements=("H7", "F6"),
        changes=False,
        expected_seconds=3.0,
    )
    if dns and facts.name:
        yield Step(
            name="put-back-ttl",
            kind="put-back-ttl",
            title=f"Put the TTL of {inventory.site.name} back to {facts.name.ttl_seconds} s",
            why="A low TTL is only for the swing.",
            requirements=("F6",),
            way_back="The TTL is lowered again before the name is pointed back.",
            back_seconds=facts.name.ttl_seconds + 1.0,
            parameters={"ttl_before_seconds": facts.name.ttl_seconds},
        )
