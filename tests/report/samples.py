"""Runs to report on: the recorded ones, small ones made by hand, and any at all."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from toolkit.model.evidence import EvidenceRecord
from toolkit.model.plan import Mode, Plan, Step
from toolkit.model.run_report import (
    CertificateReport,
    ChangedMeanwhile,
    Compared,
    ErasureReport,
    Gap,
    Hang,
    HeldConnection,
    OldAppliance,
    Outage,
    OwnerChange,
    RunReport,
    StepReport,
    VantagePointReport,
    WayBack,
)
from toolkit.model.verdict import Verdict
from toolkit.report.outage import Watch, watch_of

FIXTURES = Path(__file__).parents[2] / "fixtures" / "reports"
RECORDED = ("migrated", "went-back")
STARTED = datetime(2025, 3, 1, 22, 0, tzinfo=UTC)
OLD_MAC, NEW_MAC, STRANGE_MAC = "02:00:00:00:00:11", "02:00:00:00:00:12", "02:00:00:00:00:66"


@dataclass(frozen=True)
class Sample:
    """All that `write_report` needs."""

    report: RunReport
    evidence: tuple[EvidenceRecord, ...]
    plan: Plan


def recorded(name: str) -> Sample:
    """A run as it lies in `fixtures/reports`."""
    folder = FIXTURES / name
    lines = (folder / "evidence.jsonl").read_text().splitlines()
    return Sample(
        RunReport.model_validate_json((folder / "report.json").read_text()),
        tuple(EvidenceRecord.model_validate_json(line) for line in lines),
        Plan.model_validate_json((folder / "plan.json").read_text()),
    )


def a_step(name: str, **changed: Any) -> StepReport:
    """A step that passed in a second."""
    told: dict[str, Any] = {"name": name, "title": f"Do {name}", "why": "It is needed", "mode": Mode.AUTOMATIC}
    return StepReport(**(told | {"verdict": Verdict.PASSED, "seconds": 1.0, "summary": "It holds."} | changed))


def a_run(*steps: StepReport, **changed: Any) -> RunReport:
    """A finished run that passed."""
    told: dict[str, Any] = {
        "procedure": "hardware-migration",
        "run_id": "run-1",
        "site": "support.example.com",
        "verdict": Verdict.PASSED,
        "started": STARTED,
        "finished": datetime(2025, 3, 1, 22, 1, tzinfo=UTC),
        "steps": steps or (a_step("look"), a_step("swing"), a_step("reset")),
        "old_appliance": OldAppliance(serial_number="OLD-1", state="out-of-service"),
        "way_back": WayBack(available_until="swing", available_now=True, seconds_estimated=8),
    }
    return RunReport(**(told | changed))


def a_plan(*names: str, **step: Any) -> Plan:
    """A plan with steps of these names."""
    steps = tuple(Step(name=name, kind=name, title=f"Do {name}", why="It is needed", **step) for name in names)
    return Plan(procedure="hardware-migration", site="support.example.com", boxes={}, steps=steps)


def an_outage(*gaps: tuple[float, float], **changed: Any) -> Outage:
    """What a 1 ms watch saw that cannot tell less than 2 ms."""
    told: dict[str, Any] = {"lost": len(gaps), "sent": 10_000, "interval_ms": 1.0, "own_gap_ms_max": 2.0}
    told["gaps"] = tuple(Gap(start_ms=start, end_ms=end) for start, end in gaps)
    told["gap_ms_max"] = max((end - start for start, end in gaps), default=0.0)
    return Outage(**(told | changed))


def a_watch(*owners: tuple[float, str, str | None], **outages: Outage) -> Watch:
    """A watch by these methods, and who answered from when on."""
    changes = tuple(OwnerChange(at_ms=at_ms, mac=mac, box=box) for at_ms, mac, box in owners)
    return watch_of(a_run(outage=outages, owners=changes))


numbers = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-1, 300_000)
texts = st.text(max_size=30) | st.sampled_from(
    ["<script>alert(1)</script>", "]]>", "&lt;", "\x00\x1b[31m", "\u202egpj.exe"]
)
moments = st.datetimes(timezones=st.sampled_from([None, UTC]))
whole = st.integers(-(2**70), 2**70)
verdicts = st.sampled_from(Verdict)
gaps = st.builds(Gap, start_ms=numbers, end_ms=numbers, ended=st.booleans(), own_gap_ms=numbers)
hangs = st.builds(Hang, start_ms=numbers, end_ms=numbers, cut=st.booleans())
held_connections = st.builds(
    HeldConnection,
    opened_ms=numbers,
    answered_ms=numbers,
    ended_ms=st.none() | numbers,
    how=st.sampled_from(["kept", "in order", "reset", "closed", "no answer", "not seen"]) | texts,
)
values = st.recursive(
    st.none() | st.booleans() | whole | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def _some(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=4).map(tuple)


step_reports = st.builds(
    StepReport,
    name=texts,
    title=texts,
    why=texts,
    mode=st.sampled_from(Mode),
    requirements=_some(texts),
    verdict=verdicts,
    seconds=numbers,
    offset_seconds=numbers,
    summary=texts,
    way_back=st.none() | texts,
    irreversible=st.booleans(),
    resumed=st.integers(0, 9),
    taken_back=st.none() | verdicts,
    evidence=_some(texts),
)
outages = st.builds(
    Outage,
    gap_ms_max=numbers,
    lost=whole,
    sent=st.integers(0, 10**9),
    interval_ms=numbers,
    own_gap_ms_max=numbers,
    gaps=_some(gaps),
    gaps_left_out=whole,
    unwatched=_some(gaps),
    delayed=whole,
    cut=whole,
    hung_ms_max=numbers,
    hangs=_some(hangs),
    watched_ms=st.none() | numbers,
)
methods = st.dictionaries(st.sampled_from(["icmp", "tcp", "https"]) | texts, outages, max_size=4)
vantage_points = st.builds(
    VantagePointReport,
    name=texts,
    outage=methods,
    held=_some(held_connections),
    clock_error_ms=st.none() | numbers,
    problems=_some(texts),
)
owner_changes = st.builds(OwnerChange, at_ms=numbers, mac=texts, box=st.sampled_from(["old", "new", None]) | texts)
certificates = st.builds(
    CertificateReport,
    served_before_sha256=st.none() | texts,
    served_after_sha256=st.none() | texts,
    served_by=st.none() | texts,
    issued_to=st.none() | texts,
    not_after=st.none() | moments,
    findings=_some(texts),
)
compared = st.builds(Compared, kind=texts, before=whole, after=whole, different=whole, note=texts)
run_reports = st.builds(
    RunReport,
    procedure=texts,
    run_id=texts,
    site=texts,
    verdict=verdicts,
    started=moments,
    finished=st.none() | moments,
    steps=_some(step_reports),
    outage=methods,
    held=_some(held_connections),
    vantage_points=_some(vantage_points),
    owners=_some(owner_changes),
    watch_started=st.none() | moments,
    certificate=certificates,
    settings=_some(compared),
    data=_some(compared),
    old_appliance=st.builds(
        OldAppliance,
        serial_number=texts,
        state=st.sampled_from(["serving", "out-of-service", "reset", "reset-and-off", "wiped-and-off", "unknown"]),
    ),
    changed_meanwhile=_some(
        st.builds(
            ChangedMeanwhile,
            kind=texts,
            name=texts,
            how=st.sampled_from(["added", "changed", "removed"]),
            fields=texts,
            outcome=texts,
            settled=st.booleans(),
        )
    ),
    erasures=_some(
        st.builds(
            ErasureReport,
            record=texts,
            page=texts,
            medium=texts,
            technique=texts,
            verification=texts,
            verdict=verdicts,
            reason=texts,
            signer=texts,
        )
    ),
    way_back=st.builds(
        WayBack,
        available_until=st.none() | texts,
        available_now=st.booleans(),
        seconds_estimated=numbers,
        steps=_some(texts),
    ),
    notes=_some(texts),
    went_back=st.booleans(),
    facts=st.dictionaries(st.sampled_from(["old", "new"]) | texts, values, max_size=3),
)
evidence_records = st.builds(
    EvidenceRecord,
    id=texts,
    time=moments,
    step=texts,
    probe=texts,
    vantage=texts,
    subject=texts,
    summary=texts,
    verdict=verdicts,
    data=st.dictionaries(texts, values, max_size=3),
)
plans = st.builds(
    Plan,
    procedure=texts,
    site=texts,
    boxes=st.just({}),
    steps=_some(
        st.builds(
            Step,
            name=texts,
            kind=texts,
            title=texts,
            why=texts,
            way_back=st.none() | texts,
            irreversible=st.booleans(),
            interrupts_service=st.booleans(),
        )
    ),
    notes=_some(texts),
)
samples = st.builds(Sample, report=run_reports, evidence=_some(evidence_records), plan=plans)
