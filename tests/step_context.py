"""What steps and gates are given, without an engine: a world of stubs, a clock that jumps, evidence that is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from pydantic import JsonValue

from toolkit.appliances.protocol import Appliance
from toolkit.appliances.quarantine import Quarantine
from toolkit.appliances.world import World
from toolkit.model.execution import Result, StepContext
from toolkit.model.inventory import Inventory, read_inventory
from toolkit.model.plan import GateReference, Plan, Step
from toolkit.model.secret import SecretReference
from toolkit.model.verdict import Verdict

INVENTORIES = Path(__file__).parents[1] / "fixtures" / "inventories"
GATE = GateReference(code="gate", why="a test asks")
OLD_SERIAL, NEW_SERIAL = "RB-OLD-0001", "RB-NEW-0002"


class StubBox:
    """Answers the calls it has answers for, noting them; any other call fails the test.

    An answer is a value, an exception to be raised, or a function that is called with what the box was asked.
    """

    def __init__(self, name: str, address: str, **answers: object) -> None:
        self.name = name
        self.address = address
        self.asked: list[str] = []
        self.trusted: list[str] = []
        self._answers = answers

    def trust(self, certificate_sha256: str) -> None:
        self.trusted.append(certificate_sha256)

    def __getattr__(self, call: str) -> Callable[..., object]:
        assert call in self._answers, f"the {self.name} box was not to be asked for {call}"

        def answer(*arguments: object, **named: object) -> object:
            self.asked.append(call)
            value = self._answers[call]
            if isinstance(value, Exception):
                raise value
            return value(*arguments, **named) if callable(value) else value

        return answer

    @property
    def appliance(self) -> Appliance:
        """The same, as what steps take it for."""
        return cast(Appliance, self)


class JumpingClock:
    """Sleeping takes no time; the clock says that it did."""

    def __init__(self) -> None:
        self.slept = 0.0

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(seconds=self.slept)

    def monotonic(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


@dataclass
class Notebook:
    """Evidence as it was recorded."""

    summaries: list[str] = field(default_factory=list)

    def record(
        self,
        *,
        probe: str,
        subject: str,
        summary: str,
        verdict: Verdict,
        data: Mapping[str, JsonValue] | None = None,
    ) -> str:
        self.summaries.append(summary)
        return f"e{len(self.summaries)}"


def inventory(name: str = "dns.toml", **tables: Mapping[str, Any]) -> Inventory:
    """One of `fixtures/inventories`, with other values: `table={"key": value}`."""
    read = read_inventory((INVENTORIES / name).read_text(encoding="utf-8"), name)
    changes = {table: getattr(read, table).model_copy(update=dict(values)) for table, values in tables.items()}
    return read.model_copy(update=changes)


def no_secret(reference: SecretReference, purpose: str) -> str:
    """For tests in which none may be asked for."""
    raise AssertionError(f"nobody was to ask for {purpose}")


def world_of(
    folder: Path,
    *,
    old: StubBox | None = None,
    new: StubBox | None = None,
    of: Inventory | None = None,
    **named: Any,
) -> World:
    """A world of stubs; boxes that were not given refuse every call."""
    return World(
        inventory=of or inventory(),
        base=folder,
        old=(old or StubBox("old", "10.77.0.21")).appliance,
        new=(new or StubBox("new", "10.77.0.22")).appliance,
        **{"resolve_secret": no_secret, "quarantine": Quarantine(folder / "state"), **named},
    )


def context_of(
    folder: Path,
    world: World,
    *,
    parameters: dict[str, JsonValue] | None = None,
    results: Mapping[str, Result] | None = None,
    begun: bool = False,
) -> StepContext:
    """What a step or a gate is given in that world."""
    step = Step(name="step", kind="kind", title="Do it", why="a test does it", parameters=parameters or {})
    plan = Plan(
        procedure="test", site="support.example.net", boxes={"old": OLD_SERIAL, "new": NEW_SERIAL}, steps=(step,)
    )
    return StepContext(
        plan=plan,
        step=step,
        run_id="run-1",
        run_directory=folder,
        world=world,
        evidence=Notebook(),
        clock=JumpingClock(),
        progress=lambda fraction, phase: None,
        results=results or {},
        begun=begun,
    )
