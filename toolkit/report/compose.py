"""Puts a run's report together from what the engine journaled and what the steps left as results."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from toolkit.drift.looking import read_changes
from toolkit.engine.history import RunHistory, StepHistory, build_report, read_believed_history
from toolkit.model.execution import Result
from toolkit.model.run_report import CertificateReport, ChangedMeanwhile, Compared, OldAppliance, OwnerChange, RunReport
from toolkit.model.verdict import Verdict
from toolkit.report.erasures import read_erasures
from toolkit.traffic.seen import (
    Seen,
    held_connections,
    outages,
    owner_changes,
    read_watches,
    vantage_points,
    watch_started,
)

OldState = Literal["serving", "out-of-service", "reset", "reset-and-off", "wiped-and-off", "unknown"]


def compose(run_directory: Path) -> RunReport:
    """The whole report of a run, finished or not; of a damaged one what is believed, and what is not known."""
    watches = read_watches(run_directory)
    history = read_believed_history(run_directory)
    results = {name: step.result for name, step in history.steps.items() if step.result is not None}
    report = build_report(run_directory)
    return report.model_copy(
        update={
            "outage": outages(watches, _latest(report)),
            "held": held_connections(watches),
            "vantage_points": vantage_points(watches, _latest(report)),
            "owners": _owners(watches, results),
            "watch_started": watch_started(watches),
            "certificate": _certificate(results),
            "settings": _compared(results, ("restore-settings",)),
            "data": (
                *_compared(results, ("collect-late-records", "put-back-records")),
                *_compared(results, ("collect-from-new",)),
            ),
            "changed_meanwhile": _changed_meanwhile(run_directory),
            "old_appliance": OldAppliance(
                serial_number=report.old_appliance.serial_number, state=state_of_old(history)
            ),
            "erasures": read_erasures(run_directory),
            "facts": _facts(results),
        }
    )


def state_of_old(history: RunHistory) -> OldState:
    """What became of the old box: on the way back what its proof showed, and not what was once verified."""
    if history.served is not None:
        return "serving" if history.served.verdict is Verdict.PASSED else "unknown"
    state = old_state(history.steps)
    # what was verified once says nothing of a box whose run somebody has ended by hand since
    return "unknown" if history.abandoned and state in ("serving", "out-of-service") else state


def old_state(steps: Mapping[str, StepHistory]) -> OldState:
    """What became of the old box, as far as a verified step shows it."""

    def passed(name: str) -> bool:
        step = steps.get(name)
        return step is not None and step.ended and step.verdict is Verdict.PASSED and not step.undone

    def begun(name: str) -> bool:
        step = steps.get(name)
        return step is not None and step.begun and not step.undone

    if passed("shut-down-old"):
        return "wiped-and-off" if passed("wipe-old") else "reset-and-off"
    if passed("reset-old"):
        return "reset"
    if begun("reset-old"):
        return "unknown"
    if passed("swing-traffic"):
        return "out-of-service"
    if begun("swing-traffic"):
        return "unknown"
    return "serving" if passed("inspect-old") else "unknown"


def _owners(watches: Sequence[Seen], results: Mapping[str, Result]) -> tuple[OwnerChange, ...]:
    """The watch's MACs with the boxes' names beside them."""
    names: dict[str, str] = {}
    for result in results.values():
        for role in ("old", "new"):
            macs = result.get(f"{role}_macs")
            if isinstance(macs, list):
                names |= {str(mac): role for mac in macs}
    return owner_changes(watches, names)


def _latest(report: RunReport) -> datetime | None:
    """When the run ended, or the last of its steps so far: until then it should have been watched."""
    return report.finished or max(
        (report.started + timedelta(seconds=step.offset_seconds + step.seconds) for step in report.steps), default=None
    )


def _certificate(results: Mapping[str, Result]) -> CertificateReport:
    exported = results.get("export-certificate", {})
    return CertificateReport.model_validate(
        {
            "served_before_sha256": results.get("inspect-old", {}).get("served_before_sha256"),
            "served_after_sha256": results.get("prove-site", {}).get("served_after_sha256"),
            "served_by": results.get("prove-site", {}).get("served_by"),
            "issued_to": exported.get("issued_to"),
            "not_after": exported.get("not_after"),
            "findings": exported.get("findings", []),
        }
    )


def _changed_meanwhile(run_directory: Path) -> tuple[ChangedMeanwhile, ...]:
    return tuple(
        ChangedMeanwhile(
            kind=change.kind,
            name=change.name,
            how=change.how.value,
            fields=change.fields_told(),
            outcome=change.outcome(),
            settled=change.settled,
        )
        for change in read_changes(run_directory)
    )


def _compared(results: Mapping[str, Result], steps: Iterable[str]) -> tuple[Compared, ...]:
    """The comparison of the first of `steps` that has made one: a later one has seen more."""
    for step in steps:
        lines = results.get(step, {}).get("compared")
        if isinstance(lines, list):
            return tuple(Compared.model_validate(line) for line in lines)
    return ()


def _facts(results: Mapping[str, Result]) -> dict[str, JsonValue]:
    sources = {"old": "inspect-old", "new": "prove-new"}
    return {
        role: {"status": result["status"], "network": result["network"]}
        for role, step in sources.items()
        if (result := results.get(step)) is not None
    }
