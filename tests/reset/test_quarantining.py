"""A box whose reset has begun is in quarantine until it has been verified, whatever happens in between."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.emulator.appliance.box_process import OLD_SERIAL_NUMBER, BoxProcess
from tests.engine.ledger import RealClock
from tests.reset.conftest import Reached
from tests.step_context import OLD_SERIAL, context_of, world_of
from toolkit.catalogue import STEPS
from toolkit.engine import Engine, RunOutcome
from toolkit.engine.states import RunState
from toolkit.model.errors import ApplianceError, RefusedError, UnreachableError, VerificationError
from toolkit.model.execution import Outcome, Result, StepContext
from toolkit.model.plan import Plan, Step
from toolkit.model.verdict import Verdict
from toolkit.reset.quarantining import Quarantining


@dataclass
class Destroys:
    """A step that does as a test says: raises, or ends with a verdict."""

    acts: Exception | None = None
    verifies: Exception | Verdict = Verdict.PASSED
    in_quarantine_when_it_began: list[bool] = field(default_factory=list)

    def look(self, context: StepContext) -> Result | None:
        return None

    def act(self, context: StepContext) -> Result:
        self.in_quarantine_when_it_began.append(bool(context.world.quarantine.of(OLD_SERIAL)))
        if self.acts:
            raise self.acts
        return {}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        if isinstance(self.verifies, Exception):
            raise self.verifies
        return Outcome(self.verifies, "It was looked at.")

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        return Outcome(Verdict.FAILED, "never")


def done(context: StepContext, step: Destroys) -> Outcome:
    wrapped = Quarantining(step)
    return wrapped.verify(context, wrapped.act(context))


def kept(context: StepContext) -> list[tuple[str, str]]:
    return [(entry.ended, entry.why) for entry in context.world.quarantine.of(OLD_SERIAL)]


@pytest.fixture
def context(tmp_path: Path) -> StepContext:
    return context_of(tmp_path, world_of(tmp_path))


def test_before_anything_is_destroyed_the_box_is_in_quarantine_and_verified_it_is_not(context: StepContext) -> None:
    step = Destroys()
    assert done(context, step).verdict is Verdict.PASSED
    assert step.in_quarantine_when_it_began == [True]
    assert kept(context) == []
    (entry,) = context.world.quarantine.history(OLD_SERIAL)
    assert entry.because == "Run run-1 has verified it: It was looked at."


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.FAILED])
def test_unknown_or_failed_it_stays_there_and_says_so(context: StepContext, verdict: Verdict) -> None:
    outcome = done(context, Destroys(verifies=verdict))
    assert outcome.summary.endswith(f"The box {OLD_SERIAL} is in quarantine.")
    assert kept(context) == [(verdict.value, "It was looked at.")]
    (entry,) = context.world.quarantine.of(OLD_SERIAL)
    for word in ("rebox resume run-1", f"rebox inventory release {OLD_SERIAL} --because"):
        assert word in entry.would_release


@pytest.mark.parametrize(
    ("step", "ended"),
    [
        (Destroys(acts=ApplianceError("it broke")), "failed"),
        (Destroys(verifies=VerificationError("it broke")), "failed"),
        (Destroys(verifies=UnreachableError("it broke")), "unknown"),
    ],
)
def test_what_a_step_raises_is_why(context: StepContext, step: Destroys, ended: str) -> None:
    with pytest.raises((ApplianceError, VerificationError, UnreachableError)):
        done(context, step)
    assert kept(context) == [(ended, "it broke")]


def test_a_process_that_dies_in_the_middle_leaves_the_box_in_quarantine(context: StepContext) -> None:
    class Killed(BaseException):
        pass

    step = Destroys()
    step.acts = Killed()  # type: ignore[assignment]
    with pytest.raises(Killed):
        done(context, step)
    assert [ended for ended, _ in kept(context)] == ["begun"]


def test_who_was_refused_has_done_nothing(context: StepContext) -> None:
    with pytest.raises(RefusedError):
        done(context, Destroys(acts=RefusedError("another machine is behind this BMC")))
    assert kept(context) == []


def test_a_refusal_does_not_release_what_was_in_quarantine_before(context: StepContext) -> None:
    done(context, Destroys(verifies=Verdict.UNKNOWN))
    with pytest.raises(RefusedError):
        done(context, Destroys(acts=RefusedError("not now")))
    assert [ended for ended, _ in kept(context)] == ["unknown"]


def test_skipped_is_no_pass_and_releases_only_what_was_never_asked_for(context: StepContext) -> None:
    skips = Destroys(verifies=Verdict.SKIPPED)
    assert done(context, skips).verdict is Verdict.SKIPPED
    assert kept(context) == [], "nothing was done to it"
    done(context, Destroys(verifies=Verdict.UNKNOWN))
    assert done(context, skips).verdict is Verdict.SKIPPED
    assert len(kept(context)) == 1, "it was asked for before, and that is still not known"


def test_skipped_after_a_kill_does_not_release_either(context: StepContext) -> None:
    wrapped = Quarantining(Destroys(verifies=Verdict.SKIPPED))
    result = wrapped.act(context)
    wrapped.verify(replace(context, begun=True), result)
    assert [ended for ended, _ in kept(context)] == ["begun"]


@pytest.mark.parametrize("kind", ["reset-old", "wipe-old", "reset-firmware"])
def test_every_step_that_destroys_is_one_of_these(kind: str) -> None:
    assert isinstance(STEPS[kind], Quarantining)


def test_a_real_box_that_falls_silent_blocks_its_run_is_in_quarantine_and_released_by_the_resume(
    tmp_path: Path, box: BoxProcess, reached: Reached
) -> None:
    """The whole way: the power of the box fails once its reset is complete, and comes back."""
    world = reached(box).world
    step = Step(name="reset-old", kind="reset-old", title="Reset it", why="it leaves", irreversible=True)
    boxes = {"old": OLD_SERIAL_NUMBER, "new": "NEW-0001"}
    plan = Plan(procedure="test", site="support.example.net", boxes=boxes, steps=(step,))

    def engine(checkpoint: Callable[[str], None] = lambda _: None) -> Engine:
        return Engine(
            runs_directory=tmp_path / "runs",
            state_directory=tmp_path / "state",
            implementations=STEPS,
            gates={},
            world=world,
            clock=HurriedClock(),
            checkpoint=checkpoint,
        )

    def power_fails(point: str) -> None:
        if point == "reset-old:acted":
            box.kill()

    begins = engine(power_fails)
    run_id = begins.start(plan)
    outcome: RunOutcome = begins.run(run_id)
    assert (outcome.state, outcome.verdict, outcome.exit_status) == (RunState.BLOCKED, Verdict.UNKNOWN, 4)
    assert "is in quarantine" in outcome.summary
    (entry,) = world.quarantine.of(OLD_SERIAL_NUMBER)
    assert (entry.step, entry.ended, entry.run_id) == ("reset-old", "unknown", run_id)

    world.old, world.inventory = (back := reached(box.power_on()).world).old, back.inventory
    assert engine().resume(run_id).verdict is Verdict.PASSED
    assert world.quarantine.of(OLD_SERIAL_NUMBER) == ()


class HurriedClock(RealClock):
    """What takes a minute takes a second."""

    def monotonic(self) -> float:
        return super().monotonic() * 60
