"""The end of the old box: factory reset, its disks wiped where a BMC allows it, then off (requirement H8)."""

import json

from pydantic import TypeAdapter, ValidationError

from toolkit.appliances.connection import wait_until
from toolkit.appliances.protocol import Appliance
from toolkit.appliances.provisioner import DiskWiper
from toolkit.appliances.trust import box, trust
from toolkit.appliances.world import World
from toolkit.model.errors import ApplianceError, InputError, StorageError, UnreachableError, VerificationError
from toolkit.model.execution import Outcome, Result, StepContext, witness
from toolkit.model.verdict import Verdict
from toolkit.storage.whole_file import write_whole

_WIPED = "wiped-disks.json"
_PROOFS: TypeAdapter[dict[str, Result]] = TypeAdapter(dict[str, Result])


class _Final:
    """Steps from which no way leads back."""

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """The engine never asks for this; if it did, nothing must pretend to have worked."""
        return Outcome(Verdict.FAILED, "A factory reset cannot be taken back.")


class ResetOld(_Final):
    """*Status > Basics > Reset Appliance to Factory Defaults*, followed until the box says complete."""

    def look(self, context: StepContext) -> Result | None:
        """Done when the box itself says so."""
        old = box(context, "old")
        status = old.reset_status()
        _must_be_the_one(context, status.serial_number)
        return {"serial_number": status.serial_number} if status.state == "complete" else None

    def act(self, context: StepContext) -> Result:
        """Learns the certificate the box will have afterwards, then resets it; one under way is followed."""
        old = box(context, "old")
        status = old.reset_status()
        _must_be_the_one(context, status.serial_number)
        if status.next_tls_sha256:
            trust(context, "old", status.next_tls_sha256)
        done = old.reset(status.serial_number, context.progress)
        return {"serial_number": done.serial_number}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """A factory box: it says complete, and our account is unknown there."""
        old = box(context, "old")
        status = old.reset_status()
        forgotten = not old.can_sign_in()
        passed = status.state == "complete" and forgotten and status.serial_number == context.plan.boxes["old"]
        return witness(
            context,
            probe="api",
            subject=f"old ({old.address})",
            summary=f"The old box says its reset is {status.state}; our account is "
            + ("unknown to it." if forgotten else "still known to it."),
            passed=passed,
            data={"state": status.state, "account_forgotten": forgotten, "serial_number": status.serial_number},
        )


class WipeOld(_Final):
    """Boots the installer on the old machine through its BMC, and has it overwrite the disks and read them back."""

    def look(self, context: StepContext) -> Result | None:
        """What each disk's wipe has proved is kept as it ends: all there, nothing is left to do."""
        proofs = _proofs(context)
        return _wiped(proofs) if {*_disks(context).disk_serials} <= {*proofs} else None

    def act(self, context: StepContext) -> Result:
        """One disk after the other; one that this run has wiped is not wiped again."""
        disks, proofs = _disks(context), _proofs(context)
        for number, serial in enumerate(disks.disk_serials):
            if serial in proofs:
                continue

            def progress(fraction: float, phase: str, number: int = number, serial: str = serial) -> None:
                context.progress((number + fraction) / len(disks.disk_serials), f"{serial}: {phase}")

            proofs[serial] = disks.wipe(serial, context.run_id, progress)
            write_whole(
                context.run_directory / _WIPED,
                json.dumps(proofs, indent=1).encode(),
                what="it cannot be written down that a disk is wiped",
                then="resume; it is not wiped a second time",
            )
        return _wiped(proofs)

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """The installer has read every disk back, and the BMC says that the machine is off."""
        disks, proofs = _disks(context), _proofs(context)
        missing = [serial for serial in disks.disk_serials if serial not in proofs]
        off = disks.is_off()
        listed = ", ".join(f"{serial} ({proof['bytes_read']:,} bytes)" for serial, proof in proofs.items())
        summary = f"Wiped and read back: {listed or 'nothing'}; the machine is {'off' if off else 'still on'}."
        if missing:
            summary += f" Not wiped: {', '.join(missing)}."
        return witness(
            context,
            probe="redfish",
            subject="old machine",
            summary=summary,
            passed=off and not missing,
            data={"disks": list(proofs.values()), "off": off},
        )


class ShutDownOld(_Final):
    """*Shut Down This Appliance*."""

    def look(self, context: StepContext) -> Result | None:
        """Done when nothing answers; that it is off and not merely unreachable is what `verify` sees to."""
        return None if _answers(box(context, "old")) else {"found_off": True}

    def act(self, context: StepContext) -> Result:
        """Switches the box off, as the factory box it now is."""
        old = box(context, "old")
        _must_be_the_one(context, old.reset_status().serial_number)
        old.shut_down()
        return {"found_off": False}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Nothing answers at its address for a while."""
        old = box(context, "old")
        gone = wait_until(
            lambda: not _answers(old), seconds=30, sleep=context.clock.sleep, monotonic=context.clock.monotonic
        )
        return witness(
            context,
            probe="tcp",
            subject=f"old ({old.address})",
            summary="The old box no longer answers." if gone else "The old box still answers.",
            passed=gone,
        )


def _disks(context: StepContext) -> DiskWiper:
    world: World = context.world
    if world.old_disks is None:
        raise InputError("the old machine's BMC is not known", next_move="Put [old_bmc] back into the inventory.")
    return world.old_disks


def _proofs(context: StepContext) -> dict[str, Result]:
    path = context.run_directory / _WIPED
    try:
        return _PROOFS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError):
        raise StorageError(
            "it cannot be read which disks are wiped",
            where=str(path),
            next_move="Delete that file and resume: the disks are wiped once more.",
        ) from None


def _wiped(proofs: dict[str, Result]) -> Result:
    return {"disks": list(proofs.values())}


def _must_be_the_one(context: StepContext, seen: str) -> None:
    expected = context.plan.boxes["old"]
    if seen != expected:
        raise VerificationError(
            "another box answers at the old box's address",
            where=f"old ({context.world.old.address})",
            why=f"expected serial number {expected}, found {seen}",
            next_move="Check the cabling and the address; nothing was done to that box.",
        )


def _answers(old: Appliance) -> bool:
    try:
        old.health()
    except UnreachableError:
        return False
    except ApplianceError:
        return True
    return True
