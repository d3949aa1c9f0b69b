"""A small world for the engine's tests: a ledger file in which every effect is a line, and steps that write there."""

import os
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from toolkit.engine import Engine, Event
from toolkit.model.execution import Outcome, Result, StepContext
from toolkit.model.plan import GateReference, Mode, Plan, Severity, Step, WayBackSteps
from toolkit.model.verdict import Verdict


class RealClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass
class Ledger:
    """The world: lines in a file. It knows four calls and refuses all others by not having them."""

    folder: Path
    secrets: frozenset[str] = frozenset()
    on_half: Callable[[str], None] = lambda _: None

    def secret_values(self) -> frozenset[str]:
        return self.secrets

    def work_in(self, run_directory: Path) -> None:
        assert (run_directory / "run.json").is_file()

    def answers(self, role: str) -> bool:
        return not (self.folder / f"{role}-is-dead").exists()

    def lines(self) -> list[str]:
        path = self.folder / "ledger.txt"
        return path.read_text().splitlines() if path.exists() else []

    def add(self, line: str) -> None:
        (self.folder / f"half-{line}").touch()
        self.on_half(line)
        with (self.folder / "ledger.txt").open("a") as file:
            file.write(f"{line}\n")

    def remove(self, line: str) -> None:
        left = "".join(f"{other}\n" for other in self.lines() if other != line)
        (self.folder / "ledger.txt").write_text(left)
        (self.folder / f"half-{line}").unlink(missing_ok=True)

    def says(self, name: str) -> Verdict:
        """What a check sees; a test writes the verdict into a file of that name, else it passes."""
        path = self.folder / name
        return Verdict(path.read_text()) if path.exists() else Verdict.PASSED


class Write:
    """A step that adds its own name to the ledger."""

    def look(self, context: StepContext) -> Result | None:
        return self._result(context) if context.step.name in _world(context).lines() else None

    def act(self, context: StepContext) -> Result:
        context.progress(0.5, "writing")
        _world(context).add(context.step.name)
        return self._result(context)

    def verify(self, context: StepContext, result: Result) -> Outcome:
        verdict = _world(context).says(f"verify-{context.step.name}")
        seen = context.evidence.record(
            probe="file",
            subject="ledger",
            summary="the ledger was read",
            verdict=verdict,
            data={"line": result["line"]},
        )
        return Outcome(verdict, f"the ledger says {verdict}", (seen,))

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        assert result is None or result["line"] == context.step.name
        _world(context).remove(context.step.name)
        _world(context).on_half(f"undo-{context.step.name}")
        return Outcome(_world(context).says(f"undo-{context.step.name}"), "the line is gone")

    def _result(self, context: StepContext) -> Result:
        return {"line": context.step.name, **context.step.parameters}


class Prove:
    """The step at the end of the way back: says who serves, by the ledger and by what a test has written."""

    def look(self, context: StepContext) -> Result | None:
        return None

    def act(self, context: StepContext) -> Result:
        return {}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        who = "new" if "swing" in _world(context).lines() else "old"
        verdict = _world(context).says(f"verify-{context.step.name}")
        if verdict is Verdict.PASSED and (who == "new" or not _world(context).answers(who)):
            verdict = Verdict.FAILED
        return Outcome(verdict, f"Users are served by the {who} box.")

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        raise AssertionError("a step of the way back is not undone")


def gate(context: StepContext, reference: GateReference) -> Outcome:
    verdict = _world(context).says(f"gate-{reference.code}")
    return Outcome(verdict, f"the gate says {verdict}")


def _world(context: StepContext) -> Ledger:
    return cast(Ledger, context.world)


def step(name: str, **fields: object) -> Step:
    return Step.model_validate(
        {
            "name": name,
            "kind": "write",
            "title": f"Write {name}",
            "why": "a test",
            "way_back": f"take {name} out",
            "back_seconds": 2.0,
            **fields,
        }
    )


PROOF = WayBackSteps(last=(step("prove-served", kind="prove", way_back=None, back_seconds=0.0),))

PLAN = Plan(
    procedure="test",
    site="support.example.net",
    boxes={"old": "OLD-1", "new": "NEW/2"},
    steps=(
        step("prepare"),
        step("copy", gates=(GateReference(code="room", severity=Severity.WARN, why="it must fit"),)),
        step("swing", gates=(GateReference(code="proven", why="the new one must work"),)),
        step("reset", way_back=None, irreversible=True, gates=(GateReference(code="soaked", why="time must pass"),)),
    ),
    on_way_back=PROOF,
)
REVERSIBLE = PLAN.model_copy(update={"steps": PLAN.steps[:3]})


@dataclass
class Place:
    """Folders of one test, and engines that work there."""

    folder: Path
    events: list[Event] = field(default_factory=list)

    @property
    def world(self) -> Path:
        path = self.folder / "world"
        path.mkdir(exist_ok=True)
        return path

    def set(self, name: str, verdict: Verdict) -> None:
        (self.world / name).write_text(verdict.value)

    def lines(self) -> list[str]:
        return Ledger(self.world).lines()

    def engine(self, **fields: object) -> Engine:
        world = Ledger(self.world)
        settings: dict[str, object] = {
            "runs_directory": self.folder / "runs",
            "state_directory": self.folder / "state",
            "implementations": {"write": Write()},
            "gates": {"room": gate, "proven": gate, "soaked": gate},
            "world": world,
            "clock": RealClock(),
            "observer": self.events.append,
            **fields,
        }
        settings["implementations"] = {"prove": Prove(), **cast(dict[str, object], settings["implementations"])}
        return Engine(**settings)  # type: ignore[arg-type]  # a test's settings, checked by the engine


class KillAt:
    """Ends the process by SIGKILL at the first point it has not been ended at before; remembers in a file."""

    def __init__(self, memory: Path, *, only: str | None = None) -> None:
        self.memory = memory
        self.only = only

    def seen(self) -> list[str]:
        return self.memory.read_text().splitlines() if self.memory.exists() else []

    def __call__(self, point: str) -> None:
        if point in self.seen() or (self.only is not None and point != self.only):
            return
        with self.memory.open("a") as file:
            file.write(f"{point}\n")
        os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[], object]) -> int:
    """Does the work in a forked process; its exit status, or minus the signal that ended it."""
    # fork, because a fresh interpreter spends most of a second on its imports
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(99)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def operator_step(name: str) -> Step:
    return step(name, kind="by-hand", mode=Mode.OPERATOR, parameters={"instructions": f"Plug {name} in.", "line": name})
