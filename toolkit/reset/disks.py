"""The old machine's disks, wiped from outside of its own system and read back, each with a record (requirement H8)."""

import json
from importlib.metadata import version

from pydantic import TypeAdapter

from toolkit.appliances.provisioner import DiskWiper
from toolkit.appliances.world import World
from toolkit.model.errors import InputError
from toolkit.model.execution import Outcome, Result, StepContext, witness
from toolkit.reset.erasure import erasure_of
from toolkit.reset.final import Final
from toolkit.reset.kept import read_kept
from toolkit.reset.record import RecordContext
from toolkit.reset.record_files import RECORDS_FOLDER, write_records
from toolkit.storage.whole_file import write_whole

_WIPED = "wiped-disks.json"
_PROOFS: TypeAdapter[dict[str, Result]] = TypeAdapter(dict[str, Result])


class WipeOld(Final):
    """Has the old machine's disks wiped and read back: by the installer through its BMC, or on its host by libvirt."""

    def look(self, context: StepContext) -> Result | None:
        """What each disk's wipe has proved is kept as it ends: all there, nothing is left to do."""
        proofs = _proofs(context)
        return _wiped(proofs) if not _left(context, proofs) else None

    def act(self, context: StepContext) -> Result:
        """All disks in one go; one that this run has wiped is not wiped again."""
        left = _left(context, _proofs(context))
        if left:
            _disks(context).wipe(left, context.run_id, context.progress, lambda told: _keep(context, told))
        return _wiped(_proofs(context))

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Every disk was read back by who wiped it, and the machine is off, as BMC or host say."""
        disks, proofs = _disks(context), _proofs(context)
        missing = _left(context, proofs)
        off = disks.is_off()
        listed = ", ".join(
            f"{serial} ({proof['bytes_read']:,} bytes)" for serial, proof in proofs.items() if serial not in missing
        )
        summary = f"Wiped and read back: {listed or 'nothing'}; the machine is {'off' if off else 'still on'}."
        if missing:
            summary += f" Not wiped: {', '.join(missing)}."
        return witness(
            context,
            probe="redfish" if context.world.inventory.old_vm is None else "libvirt",
            subject="old machine",
            summary=summary,
            passed=off and not missing,
            data={"disks": list(proofs.values()), "off": off},
        )


def _disks(context: StepContext) -> DiskWiper:
    world: World = context.world
    if world.old_disks is None:
        raise InputError(
            "it is not known how the old machine's disks are reached",
            next_move="Put [old_bmc] or [old_vm] back into the inventory.",
        )
    return world.old_disks


def _left(context: StepContext, proofs: dict[str, Result]) -> tuple[str, ...]:
    """The disks without a proof; how a wipe that did not pass ended is kept too, and is none."""
    return tuple(serial for serial in _disks(context).disk_serials if not _passed(proofs.get(serial)))


def _passed(proof: Result | None) -> bool:
    return proof is not None and proof.get("result", "passed") == "passed"


def _keep(context: StepContext, told: Result) -> None:
    """Written down as it is heard: whatever happens to the next disk, this one is not wiped again."""
    proofs, serial = _proofs(context), str(told["disk_serial"])
    known = proofs.get(serial)
    if _passed(known) or (known and {**told, "finished": known["finished"]} == known):
        return  # heard twice: by the console and by a report, or once more in the end
    _record(context, told)
    proofs[serial] = {**told, "finished": context.clock.now().isoformat()}
    write_whole(
        context.run_directory / _WIPED,
        json.dumps(proofs, indent=1).encode(),
        what="it cannot be written down that a disk is wiped",
        then="resume; it is not wiped a second time",
    )


def _record(context: StepContext, told: Result) -> None:
    """A record of its own for every wipe that ended, well or not; it comes first: a proof says that there is one."""
    world: World = context.world
    erasure = erasure_of(
        told,
        finished=context.clock.now(),
        tool_version=version("rebox"),
        operator=world.operator_name,
        run_id=context.run_id,
    )
    backed_up = context.results.get("back-up-settings")
    about = RecordContext(
        site=world.inventory.site.name,
        source=f"the old box of {world.inventory.site.name}, serial number {context.plan.boxes['old']}",
        backed_up="yes" if backed_up else "unknown",
        backup_location=f"backup folder of run {context.run_id}" if backed_up else "",
    )
    write_records(context.run_directory / RECORDS_FOLDER, [erasure], about, world.signing_key())


def _proofs(context: StepContext) -> dict[str, Result]:
    return read_kept(
        context.run_directory / _WIPED,
        _PROOFS.validate_json,
        dict,
        what="it cannot be read which disks are wiped",
        then="Delete that file and resume: the disks are wiped once more.",
    )


def _wiped(proofs: dict[str, Result]) -> Result:
    return {"disks": list(proofs.values())}
