"""Backups and certificates on their way by stick, from one box's side to the other's (requirements U3, H2, H3)."""

from pathlib import Path
from typing import cast

from toolkit.appliances.courier import Courier, Side
from toolkit.appliances.world import World
from toolkit.media.sources import sha256_of
from toolkit.model.counting import counted
from toolkit.model.errors import InputError
from toolkit.model.execution import Outcome, ReadOnlyStep, Result, StepContext, witness
from toolkit.model.plan import Mode
from toolkit.model.verdict import Verdict

_CARRIED = ("backup", "certificate.pem")
"""What of a run's folder travels: each piece of it is encrypted."""


class PlugStick(ReadOnlyStep):
    """The stick is plugged in on the old box's side: by a person who was told so, or by a lab."""

    def look(self, context: StepContext) -> Result | None:
        """Done as soon as it is seen there."""
        return _courier(context).seen(_side(context))

    def act(self, context: StepContext) -> Result:
        """A person moves it, unless somebody does it for us."""
        return _courier(context).bring(_side(context)) if context.step.mode is Mode.AUTOMATIC else {}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """It is there now."""
        side = _side(context)
        return _plugged_in(context, side, _courier(context).seen(side))


class WriteStick(ReadOnlyStep):
    """Backups and certificate are written to the stick, and read back from the stick itself."""

    def look(self, context: StepContext) -> Result | None:
        """Nothing is remembered: writing again finds what is there already, and reads all of it back."""
        return None

    def act(self, context: StepContext) -> Result:
        """Whole or not at all: the signed manifest comes last."""
        return _courier(context).write("old", context.run_id, _files(context.run_directory), context.progress)

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """The stick holds the manifest, and its hashes are those of the run's own files."""
        seen = _courier(context).seen("old", opened=True)
        if seen is None:
            return _plugged_in(context, "old", None)
        held = seen["manifest_sha256"]
        own = {name: sha256_of(path) for name, path in _files(context.run_directory).items()}
        passed = held == result["manifest_sha256"] and own == result["files"]
        return witness(
            context,
            probe="media",
            subject="stick (old side)",
            summary=f"{counted(len(own), 'file')} are on the stick, read back from it, under a signed manifest."
            if passed
            else "The stick does not hold what was written to it.",
            passed=passed,
            data={"manifest_sha256": held, "files": len(own)},
        )


class MoveStick(PlugStick):
    """The stick is plugged in on the new box's side; its marker tells that it is the one that was written."""

    def look(self, context: StepContext) -> Result | None:
        """Done as soon as a stick is seen there that holds what this run has written."""
        seen = _courier(context).seen("new", opened=True)
        return seen if seen and self._is_the_one(context, seen) else None

    def act(self, context: StepContext) -> Result:
        """Let go where it was written, then moved as any other is plugged in."""
        released = _courier(context).release("old")
        if released:
            context.evidence.record(
                probe="media",
                subject="stick (old side)",
                summary="The stick may be pulled: " + "; ".join(map(str, cast(list[object], released["done"]))) + ".",
                verdict=Verdict.PASSED,
                data=released,
            )
        return super().act(context)

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """By what was written to it, and not by where it is."""
        seen = _courier(context).seen("new", opened=True)
        if seen is None or self._is_the_one(context, seen):
            return _plugged_in(context, "new", seen)
        return witness(
            context,
            probe="media",
            subject="stick (new side)",
            summary="The stick on the new box's side does not hold what this run has written.",
            passed=False,
        )

    def _is_the_one(self, context: StepContext, seen: Result) -> bool:
        return seen["manifest_sha256"] == context.results["write-stick"]["manifest_sha256"]


class ReadStick(ReadOnlyStep):
    """What the new box gets is taken from the stick, once signature and every hash are right."""

    def act(self, context: StepContext) -> Result:
        """Into a folder of the run of its own; one that is half there is begun anew."""
        return _courier(context).read("new", _target(context), context.progress)

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """What lies in the folder now is what left the old box's side."""
        read = {name: sha256_of(path) for name, path in _files(_target(context)).items()}
        passed = read == context.results["write-stick"]["files"]
        return witness(
            context,
            probe="file",
            subject=str(context.step.parameters["to"]),
            summary=f"{counted(len(read), 'file')} came off the stick as they were written on the old box's side."
            if passed
            else "What came off the stick is not what was written on the old box's side.",
            passed=passed,
            data={"files": len(read)},
        )


def _courier(context: StepContext) -> Courier:
    world: World = context.world
    if world.courier is None:
        raise InputError("it is not known where the stick is", next_move="Put [carry] back into the inventory.")
    return world.courier


def _plugged_in(context: StepContext, side: Side, seen: Result | None) -> Outcome:
    return witness(
        context,
        probe="media",
        subject=f"stick ({side} side)",
        summary=f"The stick is plugged in: {seen['where']}." if seen else "The stick is not plugged in there.",
        passed=seen is not None,
        data=seen,
    )


def _side(context: StepContext) -> Side:
    return "new" if context.step.parameters["at"] == "new" else "old"


def _target(context: StepContext) -> Path:
    return context.run_directory / str(context.step.parameters["to"])


def _files(folder: Path) -> dict[str, Path]:
    """By the paths they get on the stick; what begins with a dot is somebody's own business."""
    found: dict[str, Path] = {}
    for name in _CARRIED:
        place = folder / name
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and not path.name.startswith("."):
                found[str(path.relative_to(folder))] = path
    return found
