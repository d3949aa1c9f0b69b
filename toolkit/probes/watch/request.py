"""What a watch is asked to do, and what it saw."""

import ipaddress
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from toolkit.model.run_report import Gap, Hang, HeldConnection, Outage, OwnerChange
from toolkit.probes.results import Seen
from toolkit.probes.watch.settings import WatchSettings
from toolkit.probes.watch.tally import Tally

Method = Literal["icmp", "tcp", "https"]


class WatchRequest(Seen):
    """An address, and how often each method asks it. An interval or port of None leaves that method out."""

    address: str
    vantage_point: str = Field(default="", description="From where it is watched; empty: from this machine.")
    icmp_interval_ms: float | None = Field(default=1.0, ge=0.2, le=60_000)
    tcp_port: int | None = Field(default=None, ge=1, le=65535)
    tcp_interval_ms: float = Field(default=10.0, ge=1, le=60_000)
    https_name: str | None = Field(default=None, description="SNI and Host; None leaves HTTPS out.")
    https_port: int = Field(default=443, ge=1, le=65535)
    https_path: str = "/check_health"
    https_interval_ms: float = Field(default=100.0, ge=10, le=60_000)
    timeout_ms: float = Field(default=1000.0, ge=10, le=60_000, description="An answer later than this is a loss.")
    patience_ms: float = Field(
        default=5000.0,
        ge=10,
        le=60_000,
        description="For so long a TCP or HTTPS attempt may hang before it is given up; longer than the timeout, so "
        "that it is known how long users hang.",
    )
    max_seconds: float = Field(default=3600.0, gt=0, le=7 * 86400, description="The watch ends by itself after this.")
    interface: str | None = Field(default=None, description="Where to look at frames; None: where the route leads.")
    capture: bool = Field(default=True, description="False: no owners and no capture; needs no packet socket then.")
    capture_bytes_max: int = Field(
        default=64 * 2**20, ge=2**20, le=2**34, description="The first frames, the last ones, and those around events."
    )
    until_removed: Path | None = Field(default=None, description="The watch ends when this file is gone.")
    resolver: str | None = Field(
        default=None,
        description="A DNS server that is asked for https_name again and again; every method then follows its answer, "
        "as users do who reach the site by name (DNS swing).",
    )
    resolver_port: int = Field(default=53, ge=1, le=65535)
    resolver_interval_ms: float = Field(default=200.0, ge=10, le=60_000)

    @field_validator("address", "resolver")
    @classmethod
    def _is_address(cls, text: str | None) -> str | None:
        if text is not None:
            ipaddress.ip_address(text)
        return text

    @model_validator(mode="after")
    def _is_something_to_do(self) -> Self:
        if self.icmp_interval_ms is None and self.tcp_port is None and self.https_name is None:
            raise ValueError("no method is asked for: give an ICMP interval, a TCP port or an HTTPS name")
        if self.resolver is not None and self.https_name is None:
            raise ValueError("a resolver needs a name to ask for (https_name)")
        return self

    @property
    def settings(self) -> WatchSettings:
        """What its workers go by."""
        return WatchSettings(**{field.name: getattr(self, field.name) for field in fields(WatchSettings)})

    @property
    def intervals_ms(self) -> dict[Method, float]:
        """Every method that is asked for, with its interval."""
        asked: dict[Method, float] = {}
        if self.icmp_interval_ms is not None:
            asked["icmp"] = self.icmp_interval_ms
        if self.tcp_port is not None:
            asked["tcp"] = self.tcp_interval_ms
        if self.https_name is not None:
            asked["https"] = self.https_interval_ms
        return asked


def tally_of(request: WatchRequest, method: Method) -> Tally:
    """What counts a method of that watch."""
    patience_ms = 0.0 if method == "icmp" else request.patience_ms
    interval_us, timeout_us, patience_us = (
        int(ms * 1000) for ms in (request.intervals_ms[method], request.timeout_ms, patience_ms)
    )
    return Tally(interval_us, timeout_us, patience_us)


class MethodResult(Seen):
    """What one method saw; every time is in milliseconds from the watch's start.

    How long nobody new got through:

    - `answered`: probes with an answer within the timeout; `lost`: without; `pending`: of which it cannot be told,
      since they were sent so shortly before the end, or before the watch itself fell silent. `sent` counts all three.
    - `late`: answered more than `LATE_US` after the median round trip of the probes before it, e.g. because they waited
      in a queue until somebody took the address. They are no losses, but they end no gap either.
    - a gap runs from the last probe answered in time before it to the first one after it, both by their moment of
      sending, minus one interval; at least one probe between them was lost or late. So one lost probe at a perfect
      pace is a gap of one interval, and a pause of our own without a loss is no gap at all. Before the first answer
      the gap starts with the first probe; one whose end was not seen ends with the last probe that can be judged.
    - `own_gap_ms_max`: our own largest pause between two sends. A gap shorter than it proves nothing.
    - `unwatched`: pauses of ours of a second and more, and three intervals.

    What became of those who were under way:

    - `delayed`: attempts that came to an answer, but late, also after the timeout; `cut`: attempts that had hung as
      long as that, or whose connection had stood, and that came to nothing. What is refused at once is a loss only.
    - `hangs`: when the longest of them began and ended; `hung_ms_max`: the longest.
    """

    interval_ms: float
    sent: int
    answered: int
    lost: int
    late: int
    pending: int
    gap_ms_max: float
    gaps: tuple[Gap, ...]
    gaps_left_out: int = 0
    own_gap_ms_max: float
    unwatched: tuple[Gap, ...] = ()
    delayed: int = 0
    cut: int = 0
    hung_ms_max: float = 0.0
    hangs: tuple[Hang, ...] = ()
    rtt_ms_median: float | None
    rate_percent: float = Field(description="Probes sent, of those that the interval asks for in the time watched.")
    cpu_percent: float | None = Field(default=None, description="Of one core; None when the watch did not end itself.")
    last_ms: float = Field(default=0.0, description="When it last sent a probe.")


class OwnerSeen(Seen):
    """From when on which MAC sent the address's frames (`reply`) or claimed it by ARP or neighbour (`claim`)."""

    at_ms: float
    mac: str
    address: str


class CertificateSeen(Seen):
    """From when on which certificate was served (`sha256` of its DER), with the HTTP status beside it."""

    at_ms: float
    sha256: str
    status: int | None
    address: str


class AddressSeen(Seen):
    """From when on the resolver gave which address."""

    at_ms: float
    address: str


class WatchResult(Seen):
    """Everything a watch saw, also when it was killed."""

    request: WatchRequest
    started: datetime
    start_ns: int = Field(description="The same moment on the machine's own clock since its start (CLOCK_BOOTTIME).")
    boot_id: str = Field(description="Which start of the machine that was.")
    seconds: float
    ended: Literal["stopped", "limit", "removed", "killed", "running"]
    methods: dict[Method, MethodResult]
    owners: tuple[OwnerSeen, ...]
    claims: tuple[OwnerSeen, ...]
    certificates: tuple[CertificateSeen, ...]
    addresses: tuple[AddressSeen, ...]
    held: tuple[HeldConnection, ...] = ()
    clock_error_ms: float | None = Field(
        default=None, description="Another machine's times may be wrong by so much; None: it is this machine's clock."
    )
    problems: tuple[str, ...]
    capture: Path | None

    def outages(self) -> dict[str, Outage]:
        """By method, as the run's report wants it."""
        return {
            method: Outage(
                gap_ms_max=seen.gap_ms_max,
                lost=seen.lost,
                sent=seen.sent,
                interval_ms=seen.interval_ms,
                own_gap_ms_max=seen.own_gap_ms_max,
                gaps=seen.gaps,
                gaps_left_out=seen.gaps_left_out,
                unwatched=seen.unwatched,
                delayed=seen.delayed,
                cut=seen.cut,
                hung_ms_max=seen.hung_ms_max,
                hangs=seen.hangs,
                watched_ms=self.seconds * 1000.0,
            )
            for method, seen in self.methods.items()
        }

    def owner_changes(self, boxes: Mapping[str, str] | None = None) -> tuple[OwnerChange, ...]:
        """Who answered, as the run's report wants it; `boxes` maps MACs (lower case) to "old" and "new"."""
        known = boxes or {}
        return tuple(OwnerChange(at_ms=seen.at_ms, mac=seen.mac, box=known.get(seen.mac)) for seen in self.owners)
