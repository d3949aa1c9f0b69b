"""What a run comes to, in sentences: the headline, what needs attention, and what cannot be said."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from toolkit.model.run_report import Compared, HeldConnection, RunReport
from toolkit.model.verdict import Verdict
from toolkit.report.course import Passage, seconds_taken, with_verdict
from toolkit.report.outage import Lane, Stretch, Watch
from toolkit.report.phases import LATER, Phase, phases
from toolkit.report.quantities import (
    bounded,
    clock_text,
    count,
    counted,
    duration,
    later,
    milliseconds,
    moment_text,
    seconds_between,
    span_text,
)

OLD_BOX = {
    "serving": "still serving",
    "out-of-service": "out of service, not reset",
    "reset": "reset to factory defaults",
    "reset-and-off": "reset to factory defaults and shut down",
    "wiped-and-off": "reset to factory defaults, its disks wiped, and shut down",
    "unknown": "not known",
}


_WATCHED_TO_THE_END_MS = 1000.0
"""A watch that ended so shortly before a phase did has seen all of it."""


@dataclass(frozen=True)
class Headline:
    """The verdict in words. `tone` picks the sign: a verdict's name, "unfinished" or "taken-back"."""

    tone: str
    word: str
    sentence: str


@dataclass(frozen=True)
class Attention:
    """Something the reader must not overlook, and the place in the page that shows it."""

    text: str
    place: str
    anchor: str


def headline(report: RunReport, passages: Sequence[Passage], watch: Watch) -> Headline:
    """The one line that everything else explains."""
    stopped = with_verdict(passages, Verdict.FAILED, Verdict.UNKNOWN)
    if (otherwise := _ended_otherwise(report, watch, anything_wrong=bool(stopped))) is not None:
        return otherwise
    if _goes_on(report, passages) and not stopped:
        ended = with_verdict(passages, Verdict.PASSED, Verdict.SKIPPED)
        return Headline("unfinished", "Not finished", f"{len(ended)} of {counted(len(passages), 'step')} done")
    for verdict in (Verdict.FAILED, Verdict.UNKNOWN):
        if report.verdict is verdict:
            return _stopped(report, passages, watch, verdict)
    if report.verdict is Verdict.SKIPPED or not report.steps:
        return Headline("skipped", "Nothing proven", "no step was carried out")
    if watch.last_owner == "new":
        return Headline("passed", "Passed", f"{report.site} is served by the new box")
    return Headline("passed", "Passed", f"all {counted(len(passages), 'step')} hold")


def _ended_otherwise(report: RunReport, watch: Watch, *, anything_wrong: bool) -> Headline | None:
    """A run that somebody ended by hand, or that was taken back, maybe with something left to do."""
    if report.abandoned is not None:
        return Headline("unknown", "Abandoned", f"ended by hand by {report.abandoned.by}")
    if report.went_back and report.to_do:
        left = f"{counted(len(report.to_do), 'thing is', 'things are')} left to be done"
        return Headline("taken-back", "Taken back, not all of it", f"{_after_going_back(report, watch)}; {left}")
    if report.went_back and not anything_wrong:
        return Headline("taken-back", "Taken back", _after_going_back(report, watch))
    return None


def _goes_on(report: RunReport, passages: Sequence[Passage]) -> bool:
    """Something is still to come: the run has no end, or it ended before its last step without a failure."""
    waiting = report.finished is None or any(passage.went is None for passage in passages)
    return waiting and not report.went_back and report.verdict is not Verdict.FAILED


def can_resume(report: RunReport, passages: Sequence[Passage]) -> bool:
    """`rebox resume` would go on: the run did not pass, and nothing of it has been taken back."""
    undone = (
        report.went_back
        or report.abandoned is not None
        or any(passage.went and passage.went.taken_back for passage in passages)
    )
    return report.verdict is not Verdict.PASSED and not undone


def _after_going_back(report: RunReport, watch: Watch) -> str:
    if report.served is not None:
        passed = report.served.verdict is Verdict.PASSED
        return f"{report.site} is served by the old box again" if passed else "that users are served is not proven"
    if watch.last_owner == "old":
        return f"{report.site} is served by the old box again"
    return "the run was taken back"


def _stopped(report: RunReport, passages: Sequence[Passage], watch: Watch, verdict: Verdict) -> Headline:
    word = verdict.value.capitalize()
    first = next(iter(with_verdict(passages, verdict)), None)
    sentence = "the run as a whole, though no step says so by itself"
    if any(passage.went and passage.went.taken_back for passage in passages):
        sentence = "while it was being taken back"
    if first:
        word = f"{word} at step {first.number}"
        sentence = first.name if verdict is Verdict.FAILED else f"{first.name} could not be verified"
    if report.went_back:
        sentence = _after_going_back(report, watch)
    return Headline(verdict.value, word, sentence)


def lead(report: RunReport, passages: Sequence[Passage], watch: Watch) -> tuple[str, ...]:
    """The summary under the headline: steps, outage, certificate, old box."""
    passed = len(with_verdict(passages, Verdict.PASSED))
    return (
        f"{count(passed)} of {counted(len(passages), 'step')} passed in {how_long(report)}.",
        *outage_sentences(report, passages, watch),
        f"The certificate served {certificate_words(report)}.",
        f"The old box is {OLD_BOX[report.old_appliance.state]}."
        if report.old_appliance.state != "unknown"
        else "What became of the old box is not known.",
        *(("The run was taken back.",) if report.went_back else ()),
        *((report.served.summary,) if report.served is not None else ()),
    )


def how_long(report: RunReport) -> str:
    """From start to finish; for a run without an end, to the end of its last step."""
    if report.finished is None:
        return f"{duration(seconds_taken(report))} so far"
    return duration(seconds_between(report.started, report.finished))


def outage_sentences(report: RunReport, passages: Sequence[Passage], watch: Watch) -> tuple[str, ...]:
    """How long nobody new got through: in the swing, in the soak, after it; and what was cut or delayed in flight."""
    if not watch.measured:
        return ("The outage was not measured.",)
    told = [_phase_sentence(phase, watch) for phase in phases(report, passages, watch)]
    blind = "The watch did not run all the time." if watch.unwatched else ""
    words = (
        *(sentence for sentence in told if sentence),
        in_flight_sentence(watch),
        *_held_sentences(report, watch),
        blind,
    )
    return tuple(sentence for sentence in ((() if any(told) else (_longest_sentence(watch),)) + words) if sentence)


def _longest_sentence(watch: Watch) -> str:
    worst = watch.worst
    if worst is None:
        return f"No outage was seen; one shorter than {milliseconds(watch.floor_ms)} could not have been."
    return f"The longest time without an answer was {milliseconds(worst.longest_ms)} ({worst.method})."


def _phase_sentence(phase: Phase, watch: Watch) -> str:
    """The longest outage of a phase; nothing for a later phase without one."""
    name = phase.name.capitalize()
    if watch.length_ms <= phase.start_ms:
        return f"{name} nobody watched."
    found = phase.worst(watch)
    if found is None:
        if phase.name == LATER:
            return ""
        so_far = " as far as it was watched" if watch.length_ms < phase.end_ms - _WATCHED_TO_THE_END_MS else ""
        return (
            f"{name} no outage was seen{so_far}; one shorter than {milliseconds(watch.floor_ms)} could not have been."
        )
    lane, gap = found
    not_ended = ", and its end was not seen" if not gap.ended else ""
    return f"{name} nobody new got through for {milliseconds(gap.length_ms)} ({lane.method}){not_ended}."


def in_flight_sentence(watch: Watch) -> str:
    """What became of attempts that were under way; nothing where all went well."""
    longest = watch.hung_longest
    if longest is None:
        return ""
    by = ", ".join(f"{lane.method} {in_flight_words(lane)}" for lane in watch.lanes if lane.delayed or lane.cut)
    return f"In flight: {by}."


def in_flight_words(lane: Lane) -> str:
    """One method's attempts that were cut or delayed: "1 cut, 12 delayed, the longest 1.02 s"."""
    if not lane.measured:
        return "not measured"
    if not lane.in_flight_recorded:
        return "not recorded"
    if not lane.cut and not lane.delayed:
        return "none cut or delayed"
    counts = [f"{count(number)} {word}" for number, word in ((lane.cut, "cut"), (lane.delayed, "delayed")) if number]
    return f"{', '.join(counts)}, the longest {milliseconds(lane.hung_ms)}"


def _held_sentences(report: RunReport, watch: Watch) -> Iterable[str]:
    for place, held in watch.held:
        if held.how not in {"kept", "in order", "not seen"}:
            yield f"A connection held open{f' from {place}' if place else ''} {held_words(report, held)}."
    if watch.held and all(held.how in {"kept", "in order", "not seen"} for _, held in watch.held):
        kept = any(held.how == "kept" for _, held in watch.held)
        yield "A connection held open was not cut." if kept else ""


def held_words(report: RunReport, held: HeldConnection) -> str:
    """How a held connection ended: "was cut at 22:14:05.123 UTC: silent for 310 ms, then reset"."""
    if held.how == "not seen" or held.ended_ms is None:
        return "was open when it was last seen"
    if held.how == "kept":
        return "was kept to the end"
    if held.how == "in order":
        return "was closed by the server in order"
    silent = milliseconds(max(bounded(held.ended_ms) - bounded(held.answered_ms), 0.0))
    how = "given up" if held.how == "no answer" else held.how
    return f"was cut at {_when(report.watch_started, held.answered_ms)}: silent for {silent}, then {how}"


def lane_words(lane: Lane) -> str:
    """One method's outage, short."""
    if not lane.measured:
        return "not measured"
    if lane.outage_seen:
        ended = all(gap.ended for gap in lane.gaps if gap.length_ms == lane.longest_ms)
        return milliseconds(lane.longest_ms) + ("" if ended else ", not ended")
    return f"none above {milliseconds(lane.floor_ms)}"


def blind_sentences(report: RunReport, watch: Watch) -> tuple[str, ...]:
    """Every stretch and every method about which the watch can say nothing."""
    sentences = [
        f"Nobody watched from {_when(report.watch_started, stretch.start_ms)} "
        f"to {_when(report.watch_started, stretch.end_ms)}{'' if stretch.ended else ' or longer'} "
        f"({', '.join(methods)}): what happened then is not known."
        for stretch, methods in watch.unwatched
    ]
    sentences += [
        f"The outage by {lane.method} from {_when(report.watch_started, gap.start_ms)} on has not ended, as far as was "
        "watched."
        for lane in watch.lanes
        for gap in lane.gaps
        if not gap.ended and lane.shows_outage(gap.length_ms)
    ]
    sentences += [f"From {place.name}: {problem}." for place in report.vantage_points for problem in place.problems]
    if watch.missing:
        sentences.append(f"Not watched by {' and '.join(watch.missing)}.")
    silent = [lane.method for lane in watch.lanes if not lane.measured]
    if silent:
        sentences.append(f"Nothing was sent by {' and '.join(silent)}: these methods measured nothing.")
    return tuple(sentences)


def _when(watch_started: datetime | None, at_ms: float) -> str:
    if watch_started is None:
        return f"{milliseconds(at_ms)} after the watch began"
    return f"{clock_text(later(watch_started, at_ms / 1000), fraction=True)} UTC"


def moment_words(report: RunReport, at_ms: float) -> str:
    """A moment of the watch, for a column that says itself that it is UTC."""
    return _when(report.watch_started, bounded(at_ms)).removesuffix(" UTC")


def gap_when(report: RunReport, gap: Stretch) -> str:
    """When a gap began, for a column that says itself that it is UTC."""
    return _when(report.watch_started, gap.start_ms).removesuffix(" UTC")


def certificate_words(report: RunReport) -> str:
    """How the certificate after compares with the one before, to follow "the certificate served"."""
    before, after = report.certificate.served_before_sha256, report.certificate.served_after_sha256
    if before is None and after is None:
        return "was not recorded"
    if before is None:
        return "beforehand was not recorded"
    if after is None:
        return "afterwards was not recorded"
    return "is the same as before" if before.lower() == after.lower() else "is another one than before"


def way_back_sentence(report: RunReport, passages: Sequence[Passage]) -> str:
    """Whether one can still go back, until when and how fast."""
    way = report.way_back
    seconds = duration(way.seconds_estimated)
    if report.abandoned is not None:
        when = moment_text(report.abandoned.time)
        return f"None any more: {report.abandoned.by} ended the run by hand at {when}, and its boxes are free."
    if report.went_back:
        undone = [passage for passage in passages if passage.went and passage.went.taken_back is Verdict.PASSED]
        steps = f" {counted(len(undone), 'step was', 'steps were')} undone." if undone else ""
        left = f" {counted(len(report.to_do), 'thing is', 'things are')} left to do." if report.to_do else ""
        return f"It was used: the run was taken back.{steps}{left}"
    until = next((f"step {p.number}, {p.name}" for p in passages if p.name == way.available_until), way.available_until)
    if way.available_now:
        limit = f", until {until} has ended and the next one starts" if until else ""
        return f"Open: going back takes about {seconds}{limit}."
    if until is None:
        return "There is no way back in this run."
    return f"Closed: it was open up to and including {until}."


def differs(compared: Compared) -> bool:
    """The two sides are not equal."""
    return compared.before != compared.after or compared.different != 0


def attention(report: RunReport, passages: Sequence[Passage], watch: Watch) -> tuple[Attention, ...]:
    """What a reader must not overlook, most pressing first; empty when all is well."""
    return tuple(_attention(report, passages, watch))


def _attention(report: RunReport, passages: Sequence[Passage], watch: Watch) -> Iterable[Attention]:
    yield from _left(report)
    # what is left to do has just been said, with its reason
    others = [passage for passage in passages if passage.name not in {one.step for one in report.to_do}]
    for passage in with_verdict(others, Verdict.FAILED, Verdict.UNKNOWN):
        summary = passage.went.summary if passage.went and passage.went.summary else "no reason was recorded"
        yield Attention(
            f"Step {passage.number}, {passage.name}: {passage.verdict}; {summary}",
            f"step {passage.number}",
            passage.anchor,
        )
    for passage in others:
        if passage.went and passage.went.taken_back in {Verdict.FAILED, Verdict.UNKNOWN}:
            undoing = f"undoing it {'failed' if passage.went.taken_back is Verdict.FAILED else 'could not be verified'}"
            yield Attention(
                f"Step {passage.number}, {passage.name}: {undoing}", f"step {passage.number}", passage.anchor
            )
    waiting = [passage for passage in passages if passage.went is None]
    if waiting:
        yield Attention(
            f"{counted(len(waiting), 'step was', 'steps were')} not reached.",
            f"step {waiting[0].number}",
            waiting[0].anchor,
        )
    yield from _doubts(report, passages, watch)
    for row in report.erasures:
        if row.verdict is not Verdict.PASSED:
            yield Attention(f"Not proven to be erased: {row.medium}; {row.reason}", "the erased media", "erasures")
    if report.certificate.findings:
        yield Attention(
            f"Certificate: {counted(len(report.certificate.findings), 'finding')}.", "the certificate", "certificate"
        )
    yield from _unequal(report)


def _unequal(report: RunReport) -> Iterable[Attention]:
    for change in report.changed_meanwhile:
        if not change.settled:
            yield Attention(
                f"Changed on the old box meanwhile, {change.kind} {change.name}: {change.outcome}.",
                "what changed meanwhile",
                "changed",
            )
    unequal = [row.kind for row in (*report.settings, *report.data) if differs(row)]
    if unequal:
        yield Attention(f"Not equal on both sides: {', '.join(unequal)}.", "what was compared", "compared")


def _left(report: RunReport) -> Iterable[Attention]:
    for one in report.to_do:
        why = f" ({one.why})" if one.why else ""
        yield Attention(f"Left to do, {one.step}: {one.what}{why}", "the way back", "way-back")
    for sentence in report.abandoned.left if report.abandoned else ():
        yield Attention(f"Left to do by hand, {sentence}", "the way back", "way-back")


def _doubts(report: RunReport, passages: Sequence[Passage], watch: Watch) -> Iterable[Attention]:
    strangers = dict.fromkeys(reign.mac for reign in watch.reigns if reign.owner == "stranger")
    if strangers:
        yield Attention(f"A stranger answered for the address: {', '.join(strangers)}.", "the outage", "outage")
    for sentence in blind_sentences(report, watch):
        yield Attention(sentence, "the outage", "outage")
    for passage in passages:
        if passage.went and passage.went.resumed and passage.interrupts_service and not watch.unwatched:
            yield Attention(
                f"Step {passage.number}, {passage.name}, was interrupted and taken up again: "
                "an outage during the interruption is not in the figures unless the watch outlived it.",
                f"step {passage.number}",
                passage.anchor,
            )


def times(number: int) -> str:
    """How often: "once", "3 times"."""
    return "once" if number == 1 else counted(number, "time")


def when_words(report: RunReport) -> str:
    """Start and finish in one line."""
    if report.finished is None:
        return f"{moment_text(report.started)}, no end recorded"
    return span_text(report.started, report.finished)
