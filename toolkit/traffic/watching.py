"""The site is watched from before the swing until the run, or its way back, has ended."""

import json
from pathlib import Path

from toolkit.certificates.steps import served_certificate
from toolkit.model.errors import ReboxError
from toolkit.model.execution import Outcome, ReadOnlyStep, Result, StepContext, together, witness
from toolkit.model.plan import GateReference
from toolkit.model.verdict import Verdict
from toolkit.storage.whole_file import write_whole
from toolkit.traffic.interval import marks_now, marks_of
from toolkit.traffic.looks import prove_site
from toolkit.traffic.seen import outages, read_watches
from toolkit.traffic.site import served_by, view_site
from toolkit.traffic.soak import against, soak, witness_stretch
from toolkit.traffic.watches import FOLDER, ensure, keep_capture, keys_running, running, stop_all, wanted

_AFTERWARDS_SECONDS = 1.0
"""How long the swing's outcome is waited for before it is written down, so that a gap that is open shows its end."""

_ENDED = "ended.json"

STOP_WATCH = "stop-watch"
"""The kind of the step that ends the watch on the way back."""


class StartWatch:
    """Starts a watch per address and vantage point; each goes on even when the toolkit is killed."""

    def look(self, context: StepContext) -> Result | None:
        """Done while every watch of this run is running."""
        wants = wanted(context)
        watched = keys_running(context.run_directory) == {one.key for one in wants}
        return {"addresses": [one.words for one in wants], "left_out": []} if watched else None

    def act(self, context: StepContext) -> Result:
        """Starts those that do not run, and waits until each has heard an answer by every method."""
        left_out = ensure(context)
        return {"addresses": [one.words for one in wanted(context)], "left_out": list(left_out)}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """They run, and somebody answers them by every method."""
        seen = [watch.result() for watch in running(context.run_directory)]
        missing = {one.key for one in wanted(context)} - {(s.request.vantage_point, s.request.address) for s in seen}
        silent = [
            f"{method} at {one.request.address}" for one in seen for method, m in one.methods.items() if not m.answered
        ]
        addresses = ", ".join(one.words for one in wanted(context))
        interval_ms = context.world.inventory.watch.interval_ms
        words = f"{addresses} watched every {interval_ms:g} ms, and every method is answered."
        left_out = result.get("left_out")
        if isinstance(left_out, list) and left_out:
            words += f" {'; '.join(map(str, left_out))}."
        if missing:
            words = f"Not watched: {', '.join(address for _, address in sorted(missing))}."
        elif silent:
            words = f"Nobody answers by {', '.join(silent)}."
        return witness(
            context,
            probe="watch",
            subject=addresses or context.plan.site,
            summary=words,
            passed=not missing and not silent,
        )

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """Leaves it to the end of the way back, where the plan has that: all of it is to be watched."""
        if any(step.kind == STOP_WATCH for step in context.plan.on_way_back.last):
            return Outcome(Verdict.PASSED, "The watch goes on until users are proven to be served.")
        _end(context)
        return Outcome(Verdict.PASSED, "The watch has ended; what it saw is kept.")


class ProveSite(ReadOnlyStep):
    """Users reach the new box: every way of looking must name it (requirement F6)."""

    def act(self, context: StepContext) -> Result:
        """Looks, and lets the watch see a moment of the new life."""
        views = view_site(context.world)
        context.clock.sleep(_AFTERWARDS_SECONDS if running(context.run_directory) else 0.0)
        served = sorted({seen.certificate_sha256 for seen in views if seen.certificate_sha256})
        owners = sorted({served_by(context, seen) or "nobody" for seen in views})
        return {
            "served_after_sha256": served[0] if len(served) == 1 else None,
            "served_by": owners[0] if len(owners) == 1 else " and ".join(owners),
        }

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Owner by MAC, certificate as before, health; and the outage, for the record."""
        before = served_certificate(context.results)
        same = witness(
            context,
            probe="tls",
            subject=context.plan.site,
            summary="Users are served the certificate they were served before."
            if before == result["served_after_sha256"]
            else f"Users were served {before}, now {result['served_after_sha256']}.",
            passed=before == result["served_after_sha256"],
            data={"before": before, "after": result["served_after_sha256"]},
        )
        record_outage(context)
        return together(prove_site(context, "new"), same)


class EndWatch(ReadOnlyStep):
    """Ends the watch, the last thing of the run, and judges what it saw since the soak."""

    def look(self, context: StepContext) -> Result | None:
        """Done when it was ended by an attempt that was cut short, and there was nothing against it."""
        try:
            ended: Result = json.loads((context.run_directory / FOLDER / _ENDED).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return None if against(context, marks_of(ended["from"]), marks_of(ended["until"])) else ended

    def act(self, context: StepContext) -> Result:
        """Ends every watch. Resumed after something was against it, a new one first sees a whole soak."""
        since = marks_of(context.results.get("soak", {}).get("until"))
        if not since or (context.begun and keys_running(context.run_directory) != {one.key for one in wanted(context)}):
            soaked = soak(context, context.world.inventory.reset.soak_seconds)
            since = marks_of(soaked["from"])
        result: Result = {"from": {**since}, "until": {**marks_now(context.run_directory)}}
        _end(context)
        file = context.run_directory / FOLDER / _ENDED
        write_whole(file, json.dumps(result).encode(), mode=0o644, then=f"run: rebox resume {context.run_id}")
        return result

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """No gap above the limit since the soak, and nobody looked away."""
        return witness_stretch(context, marks_of(result["from"]), marks_of(result["until"]))


class StopWatch(ReadOnlyStep):
    """Ends the watch on the way back, once the old box serves; while it does not, an outage goes on to be watched."""

    def act(self, context: StepContext) -> Result:
        """Looks who serves, and ends the watch if that is the old box."""
        watched = bool(running(context.run_directory))
        serves = prove_site(context, "old").verdict is Verdict.PASSED
        if serves:
            _end(context)
        return {"watched": watched, "ended": serves}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """What it saw is for the report; it decides nothing here: the proof before it did."""
        if not result["ended"]:
            return Outcome(Verdict.PASSED, "The watch goes on, because the old box is not seen to serve.")
        return Outcome(Verdict.PASSED, "The watch has ended." if result["watched"] else "Nothing was being watched.")


def end_watches(run_directory: Path) -> None:
    """Ends whatever watches for a run; what it saw stays, and the capture is put where people look for it."""
    stop_all(run_directory)
    keep_capture(run_directory)


def _end(context: StepContext) -> None:
    end_watches(context.run_directory)
    record_outage(context)


def site_watched(context: StepContext, gate: GateReference) -> Outcome:
    """The watch runs and is answered; one that has ended is started anew, and the report tells the time between.

    The one gate that does something: it changes no box, and a swing that nobody watches could never be watched again.
    """
    try:
        # in the middle of a swing nobody may answer just now
        left_out = ensure(context, prove=not context.begun)
    except ReboxError as error:
        return Outcome(Verdict.UNKNOWN, str(error), next_move=error.next_move)
    return Outcome(Verdict.PASSED, " ".join(("The site is watched.", *(f"{words}." for words in left_out))))


def record_outage(context: StepContext) -> None:
    """Writes the outage down; a long one fails nothing here, because the traffic has moved: the report shows it."""
    for name, outage in outages(read_watches(context.run_directory)).items():
        witness(
            context,
            probe="watch",
            subject=context.plan.site,
            summary=f"{name}: longest gap {outage.gap_ms_max:.1f} ms, {outage.lost:,} of {outage.sent:,} lost; "
            f"{outage.delayed:,} delayed and {outage.cut:,} cut in flight, the longest {outage.hung_ms_max:.1f} ms; "
            f"the watch's own largest pause {outage.own_gap_ms_max:.1f} ms.",
            passed=None if outage.unwatched or not outage.sent else True,
            data={
                "gap_ms_max": outage.gap_ms_max,
                "lost": outage.lost,
                "sent": outage.sent,
                "delayed": outage.delayed,
                "cut": outage.cut,
                "hung_ms_max": outage.hung_ms_max,
            },
        )
