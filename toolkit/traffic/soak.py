"""The soak: the new box serves for a while, looked at every few seconds and watched in between."""

from dataclasses import replace
from datetime import timedelta

from toolkit.model.counting import counted
from toolkit.model.execution import Outcome, ReadOnlyStep, Result, StepContext, together, witness
from toolkit.model.verdict import Verdict
from toolkit.traffic.interval import Marks, Trouble, marks_now, marks_of, troubles
from toolkit.traffic.looks import serves
from toolkit.traffic.site import served_by, view_site
from toolkit.traffic.watches import ensure

_LOOK_SECONDS = 2.0


class Soak(ReadOnlyStep):
    """Every look must show the new box, and the watch no gap above the limit; resumed, the soak starts again."""

    def act(self, context: StepContext) -> Result:
        """Has the watch running, then looks until the time has passed; the first thing that is wrong ends it."""
        return soak(context, float(str(context.step.parameters["soak_seconds"])))

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """The whole time, without one wrong look, a gap above the limit, or a moment that nobody watched."""
        wrong, looks = result["wrong"], result["looks"]
        assert isinstance(wrong, list)  # noqa: S101  (made by `soak` below)
        assert isinstance(looks, int)  # noqa: S101
        words = f"The new box served for {result['seconds']:.1f} s, seen so in {counted(looks, 'look')}."
        if wrong:
            words = f"After {result['seconds']:.1f} s: {'; '.join(str(text) for text in wrong)}."
        looked = witness(
            context,
            probe="https",
            subject=context.plan.site,
            summary=words,
            passed=not wrong,
            data={"seconds": result["seconds"], "looks": looks},
        )
        watched = witness_stretch(context, marks_of(result.get("from")), marks_of(result.get("until")))
        return replace(together(looked, watched), next_move=watched.next_move)


def soak(context: StepContext, seconds: float) -> Result:
    """Looks for so long; the result holds the looks, and where the watches stood before and after."""
    left_out = ensure(context)
    since = marks_now(context.run_directory)
    started = context.clock.monotonic()
    looks = 0
    while True:
        wrong = [
            seen.words if served_by(context, seen) == "new" else f"{seen.address} is at {served_by(context, seen)}"
            for seen in view_site(context.world)
            if not serves(context, seen, "new")
        ]
        looks += 1
        passed = context.clock.monotonic() - started
        ended = bool(wrong) or passed >= seconds or bool(against(context, since, None))
        if ended:
            return {
                "seconds": passed,
                "looks": looks,
                "wrong": [str(words) for words in wrong],
                "left_out": list(left_out),
                "from": {**since},
                "until": {**_at_the_end(context, since)},
            }
        context.progress(passed / seconds, f"{seconds - passed:.0f} s left")
        context.clock.sleep(min(_LOOK_SECONDS, seconds - passed))


def _at_the_end(context: StepContext, since: Marks) -> Marks:
    """Where the watches of the beginning stand now; one that has ended meanwhile is held against the others' time."""
    now = marks_now(context.run_directory)
    passed_ms = max((at_ms - since[name] for name, at_ms in now.items() if name in since), default=0.0)
    return {name: now.get(name, at_ms + passed_ms) for name, at_ms in since.items()}


def against(context: StepContext, since: Marks, until: Marks | None) -> tuple[Trouble, ...]:
    """What the watches hold against the stretch, by the inventory's limit."""
    limit_ms: float = context.world.inventory.reset.soak_gap_ms_max
    return troubles(context.run_directory, since, until, limit_ms)


def witness_stretch(context: StepContext, since: Marks, until: Marks | None) -> Outcome:
    """Writes down what the watches say about a stretch: passed, failed by a gap, or unknown where nobody watched."""
    found = against(context, since, until)
    gaps = [one for one in found if one.known]
    words = " ".join(one.words for one in gaps or found)
    limit_ms: float = context.world.inventory.reset.soak_gap_ms_max
    outcome = witness(
        context,
        probe="watch",
        subject=context.plan.site,
        summary=words or f"The watch saw no gap above {limit_ms:g} ms.",
        passed=True if not found else False if gaps else None,
    )
    if outcome.verdict is Verdict.UNKNOWN:
        return Outcome(
            outcome.verdict, f"{words} What happened then is not known.", outcome.evidence, next_move=_RESUME
        )
    return replace(outcome, next_move=_FIND_OUT if gaps else "")


_RESUME = "Resume: a new watch is started, and the soak begins again."
_FIND_OUT = "Find out why, then resume: a whole soak is watched again."


def watched_since(context: StepContext, since: Marks, soak_seconds: float) -> Outcome:
    """Whether the site has been well since the soak ended, by the watch alone.

    Where it has not, it must have been well, and watched, for a whole soak again: what runs now tells since when it is.
    """
    found = against(context, since, None)
    if not found:
        return Outcome(Verdict.PASSED, "The new box served for the whole soak, and the watch saw no outage since.")
    # what has died is started anew, else no time would ever mend this
    ensure(context)
    well_ms = _well_for_ms(context)
    words = " ".join(one.words for one in found)
    if well_ms >= soak_seconds * 1000.0:
        return Outcome(Verdict.PASSED, f"{words} Since then the new box has served for a whole soak again.")
    again = context.clock.now() + timedelta(milliseconds=soak_seconds * 1000.0 - well_ms)
    known = any(one.known for one in found)
    return Outcome(
        Verdict.FAILED if known else Verdict.UNKNOWN,
        f"Since the soak: {words}",
        next_move=f"Find out why. The site is watched; once it has been well for {soak_seconds:.0f} s, from "
        f"{again:%H:%M:%S} UTC on, resume.",
    )


def _well_for_ms(context: StepContext) -> float:
    """For how long every watch that runs has seen nothing above the limit."""
    well: list[float] = []
    for name, now_ms in marks_now(context.run_directory).items():
        last = max((one.until_ms for one in against(context, {name: 0.0}, None)), default=0.0)
        well.append(now_ms - last)
    return min(well, default=0.0)
