"""`report.json`: what a run leaves for programs, and what the html report and the runbook are drawn from."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from toolkit.model.plan import Mode
from toolkit.model.verdict import Verdict


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StepReport(_Frozen):
    """One step as it went. `seconds` is wall time; `offset_seconds` counts from the run's start."""

    name: str
    title: str
    why: str
    mode: Mode
    requirements: tuple[str, ...] = ()
    verdict: Verdict
    seconds: float
    offset_seconds: float = 0.0
    summary: str = ""
    way_back: str | None = None
    back_needs: tuple[str, ...] = Field(default=(), description="The boxes that must answer for it to be undone.")
    irreversible: bool = False
    resumed: int = Field(default=0, description="How often the step was taken up again after an interruption.")
    taken_back: Verdict | None = Field(default=None, description="How undoing it ended; None: it was not undone.")
    evidence: tuple[str, ...] = ()


class Gap(_Frozen):
    """One stretch without answers, in milliseconds from the watch's start."""

    start_ms: float
    end_ms: float
    ended: bool = Field(default=True, description="False: its end was not seen, it may go on.")
    own_gap_ms: float = Field(
        default=0.0, description="The watch's own largest pause in it: as much of it may be its own."
    )


class Hang(_Frozen):
    """One attempt that took too long, in milliseconds from the watch's start."""

    start_ms: float
    end_ms: float
    cut: bool = Field(description="True: it came to nothing; False: it was answered in the end.")


class HeldConnection(_Frozen):
    """One connection that was kept open with requests on it, in milliseconds from the watch's start."""

    opened_ms: float
    answered_ms: float = Field(description="Its last answer.")
    ended_ms: float | None = Field(description="When it ended; None: not seen.")
    how: str = Field(
        description='"kept": until the watch ended; "in order": the server said that it closes; else how it was cut: '
        '"reset", "closed", "no answer".'
    )


class Outage(_Frozen):
    """What one method of the continuous watch saw: how long nobody new got through, and who was under way then."""

    gap_ms_max: float = Field(description="The longest time in which nobody new got through.")
    lost: int
    sent: int
    interval_ms: float
    own_gap_ms_max: float = Field(description="The probe's own largest pause between two sends.")
    gaps: tuple[Gap, ...] = ()
    gaps_left_out: int = Field(default=0, description="How many more gaps there were, all shorter than those listed.")
    unwatched: tuple[Gap, ...] = Field(
        default=(), description="Stretches when the watch itself did not run: nothing can be said about them."
    )
    delayed: int = Field(default=0, description="Attempts that were answered, but too late.")
    cut: int = Field(default=0, description="Attempts that hung, or had a connection, and came to nothing.")
    hung_ms_max: float = Field(default=0.0, description="The longest of both.")
    hangs: tuple[Hang, ...] = Field(default=(), description="The longest of them.")
    watched_ms: float | None = Field(default=None, description="When the watch ended, from its start.")
    vantage_point: str = Field(default="", description="From where it was seen, where there are several.")


class VantagePointReport(_Frozen):
    """What was seen from one place; `outage`'s times count from the report's own zero."""

    name: str = Field(description='As the inventory calls it; "here" is the machine rebox ran on.')
    outage: dict[str, Outage]
    held: tuple[HeldConnection, ...] = ()
    clock_error_ms: float | None = Field(
        default=None, description="Its times may be wrong by so much against ours; None: it has our clock."
    )
    problems: tuple[str, ...] = ()


class OwnerChange(_Frozen):
    """From when on which MAC (or which certificate) answered for the site's address."""

    at_ms: float
    mac: str
    box: str | None = Field(default=None, description='"old", "new" or None for a stranger.')


class CertificateReport(_Frozen):
    """The site's certificate before and after, as served."""

    served_before_sha256: str | None = None
    served_after_sha256: str | None = None
    served_by: str | None = None
    issued_to: str | None = None
    not_after: datetime | None = None
    findings: tuple[str, ...] = ()


class Compared(_Frozen):
    """One kind of thing counted and compared on both sides."""

    kind: str
    before: int
    after: int
    different: int = 0
    note: str = ""


class ChangedMeanwhile(_Frozen):
    """One record that somebody changed on the old box after it was carried, and what has become of that."""

    kind: str
    name: str
    how: Literal["added", "changed", "removed"]
    fields: str = Field(default="", description="What it was and is, in words; never a secret.")
    outcome: str = Field(description='"carried over", "on the new box", "not on the new box", …')
    settled: bool = Field(description="Whether nothing was left to do about it when it was looked at last.")


class OldAppliance(_Frozen):
    """What became of the old box."""

    serial_number: str
    state: Literal["serving", "out-of-service", "reset", "reset-and-off", "wiped-and-off", "unknown"]


class ErasureReport(_Frozen):
    """One erasure record of the run, as it says itself; `verdict` is unknown also where it cannot be believed."""

    record: str = Field(description="Its file, from the run's folder; the page for people lies beside it.")
    page: str
    medium: str = Field(description="Serial number and what else the disk tells.")
    technique: str = ""
    verification: str = ""
    verdict: Verdict
    reason: str = ""
    signer: str = ""


class WayBack(_Frozen):
    """Until which step `back` is possible, and how long it is expected to take."""

    available_until: str | None
    available_now: bool = Field(description="For a run at work: as soon as it is stopped.")
    seconds_estimated: float
    steps: tuple[str, ...] = Field(default=(), description="The steps it would undo, in that order.")


class ToDo(_Frozen):
    """Something the way back could not tidy yet; `rebox back` tries it again."""

    step: str
    what: str = Field(description="What is left to do, in words.")
    box: str = Field(default="", description='The box it waits for ("old", "new"); empty: none.')
    why: str = Field(default="", description="Why it could not be done, where `what` does not say it.")


class Served(_Frozen):
    """Who served users when the way back ended, as packets and HTTPS showed it."""

    verdict: Verdict = Field(description="Passed: the old box, and no other, at every address.")
    seen: datetime
    summary: str
    evidence: tuple[str, ...] = ()


class Abandoned(_Frozen):
    """A run that somebody ended by hand: who, when, and what stood where."""

    by: str
    time: datetime
    seen: tuple[str, ...] = Field(default=(), description="What was seen of site and boxes, sentence by sentence.")
    left: tuple[str, ...] = Field(default=(), description="What is left to do by hand, step by step.")


class RunReport(_Frozen):
    """A whole run."""

    procedure: str
    run_id: str
    site: str
    verdict: Verdict
    started: datetime
    finished: datetime | None
    steps: tuple[StepReport, ...]
    outage: dict[str, Outage] = Field(
        default_factory=dict,
        description='By method ("icmp", "tcp", "https"): from the place where nobody got through for longest.',
    )
    held: tuple[HeldConnection, ...] = Field(
        default=(), description="Connections that were kept open from here, as a support session keeps one."
    )
    vantage_points: tuple[VantagePointReport, ...] = Field(
        default=(), description="Each place by itself, the worst first; empty when there was only one."
    )
    owners: tuple[OwnerChange, ...] = ()
    watch_started: datetime | None = Field(
        default=None, description="The zero of every `_ms` of outage and owners; None: not recorded."
    )
    certificate: CertificateReport = CertificateReport()
    settings: tuple[Compared, ...] = ()
    data: tuple[Compared, ...] = ()
    changed_meanwhile: tuple[ChangedMeanwhile, ...] = ()
    old_appliance: OldAppliance
    erasures: tuple[ErasureReport, ...] = ()
    way_back: WayBack
    notes: tuple[str, ...] = ()
    went_back: bool = False
    served: Served | None = Field(default=None, description="None: the run did not go back.")
    to_do: tuple[ToDo, ...] = ()
    abandoned: Abandoned | None = None
    facts: dict[str, JsonValue] = Field(default_factory=dict, description="Old and new box, as first seen.")
