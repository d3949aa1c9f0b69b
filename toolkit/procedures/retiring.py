"""The steps that end the old box once the new one serves: soak, reset, wipe, firmware, off (requirement H8)."""

from collections.abc import Iterator

from toolkit.model.inventory import Inventory
from toolkit.model.plan import GateReference, Step
from toolkit.model.provision import OldBmc

# of the gates of the reset, those that can still be asked once the old box has forgotten our account
_STILL_ASKED = frozenset({"soak-passed", "settings-compared"})


def retire(inventory: Inventory) -> Iterator[Step]:
    """From the soak to a box that can be packed; what cannot be taken back begins with the reset."""
    yield Step(
        name="soak",
        kind="soak",
        title=f"Let the new box serve for {inventory.reset.soak_seconds:.0f} s, asking all the time",
        why="Some gateways ignore gratuitous ARP until their own entry expires; the old box is the way back meanwhile.",
        requirements=("H7", "H8"),
        way_back="Nothing is left to take back: the new box was only looked at.",
        expected_seconds=inventory.reset.soak_seconds,
        parameters={"soak_seconds": inventory.reset.soak_seconds},
    )
    idle = GateReference(
        code="old-idle",
        why="A session that still runs on the old box would end with it, and its record would exist nowhere.",
        after="swing-traffic",
    )
    if inventory.backup.records:
        # after the soak: until a name has been forgotten everywhere, sessions go on and end on the old box
        yield Step(
            name="collect-late-records",
            kind="collect-late-records",
            title="Collect the sessions that ended on the old box since they were extracted",
            why="Sessions went on after the extraction; their records exist only on the old box.",
            requirements=("F7", "A5"),
            gates=(idle,),
            way_back="The archive keeps them; the old box was only read.",
            expected_seconds=2.0,
        )
    yield Step(
        name="carry-late-changes",
        kind="carry-late-changes",
        title="Compare the old box with what was carried once more, and carry over what can be",
        why="Until its reset somebody may have changed something there, and it is gone with it.",
        requirements=("H2", "H8"),
        way_back="The old box was only read; a user who was disabled on the new box stays so.",
        expected_seconds=1.0,
        renewed=True,
    )
    gates = [
        GateReference(code="serial-confirmed", why="The serial number of the box to be reset is confirmed by hand."),
        GateReference(
            code="soak-passed", why="The new box has served for the whole soak without a failure.", after="soak"
        ),
        GateReference(
            code="settings-compared",
            why="The new box holds what the old one held, record by record.",
            after="restore-settings",
        ),
        GateReference(
            code="new-serves-site", why="The new box, and no other, answers for the site now.", after="swing-traffic"
        ),
        GateReference(
            code="old-out-of-service", why="The old box must not answer for the site any more.", after="swing-traffic"
        ),
        idle,
        GateReference(
            code="changes-settled",
            why="What has changed on the old box since it was carried is gone with its reset.",
            after="carry-late-changes",
        ),
    ]
    if inventory.backup.records:
        gates.append(
            GateReference(
                code="records-complete",
                why="Every record of the old box is in the archive.",
                after="collect-late-records",
            )
        )
    yield Step(
        name="reset-old",
        kind="reset-old",
        title=f"Reset the old box {inventory.old.serial_number} to factory defaults",
        why="It leaves the building: its data, keys and recordings must not.",
        requirements=("H8",),
        gates=tuple(gates),
        irreversible=True,
        expected_seconds=10.0,
    )
    still_asked = tuple(gate for gate in gates if gate.code in _STILL_ASKED)
    if inventory.old_bmc is not None:
        yield from _end_of_metal(inventory.old_bmc, still_asked)
    yield Step(
        name="shut-down-old",
        kind="shut-down-old",
        title="Shut the old box down",
        why="It can be packed, labelled and returned.",
        requirements=("H8",),
        irreversible=True,
        expected_seconds=3.0,
    )
    if inventory.old_vm is not None:
        # nobody but its host can write to its disks, and only when it is off
        yield _wipe_old(
            f"Wipe {', '.join(inventory.old_vm.disk_serials)} of the virtual machine {inventory.old_vm.name} on its "
            "host, with every image below, and read all of it back",
            "A factory reset leaves what a volume's blocks, and those it is laid over, still hold. The machine never "
            "starts again.",
            _gates_of_the_machine("the host has that machine, its disks no other's", still_asked),
        )


def _end_of_metal(old_bmc: OldBmc, still_asked: tuple[GateReference, ...]) -> Iterator[Step]:
    gates = _gates_of_the_machine("the BMC has that machine", still_asked)
    yield _wipe_old(
        f"Wipe {', '.join(old_bmc.disk_serials)} of the old machine through its BMC, and read all of it back",
        "A factory reset leaves what a disk's own sectors still hold.",
        gates,
    )
    if old_bmc.firmware_reset != "none":
        yield _reset_firmware(old_bmc, gates)


def _gates_of_the_machine(machine: str, still_asked: tuple[GateReference, ...]) -> tuple[GateReference, ...]:
    """What must hold before anything is destroyed on the old box's machine, from outside of its own system."""
    return (
        GateReference(code="wipe-confirmed", why=f"The serial number is confirmed by hand, and {machine}."),
        GateReference(code="old-was-reset", why="The reset stands behind every gate there is.", after="reset-old"),
        GateReference(
            code="new-proven", why="The new box, all there is now, must be able to serve users.", after="prove-new"
        ),
        *still_asked,
    )


def _wipe_old(title: str, why: str, gates: tuple[GateReference, ...]) -> Step:
    return Step(
        name="wipe-old",
        kind="wipe-old",
        title=title,
        why=why,
        requirements=("H8",),
        gates=gates,
        irreversible=True,
        expected_seconds=600.0,
    )


def _reset_firmware(old_bmc: OldBmc, gates: tuple[GateReference, ...]) -> Step:
    bmc_too = old_bmc.firmware_reset == "bios-and-bmc"
    return Step(
        name="reset-firmware",
        kind="reset-firmware",
        title=f"Reset the old machine's BIOS settings{' and its BMC' if bmc_too else ''} to defaults, where offered",
        why="Passwords, keys, addresses and names of the site stand in there too.",
        requirements=("H8",),
        gates=gates,
        irreversible=True,
        expected_seconds=300.0 if bmc_too else 60.0,
    )
