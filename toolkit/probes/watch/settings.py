"""What the workers of a watch need to know; Python's own library only, since they also run on other machines."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class WatchSettings:
    """The part of a `WatchRequest` that its workers go by; the same names and units."""

    address: str
    icmp_interval_ms: float | None
    tcp_port: int | None
    tcp_interval_ms: float
    https_name: str | None
    https_port: int
    https_path: str
    https_interval_ms: float
    timeout_ms: float
    patience_ms: float
    resolver: str | None
    resolver_port: int
    resolver_interval_ms: float


def boot_time_ns() -> int:
    """The watch's clock: never set by anybody, and it goes on while the machine sleeps (CLOCK_BOOTTIME)."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
