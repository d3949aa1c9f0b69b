"""Lockout: five failures from one address within a minute lock that account for that address for 30 seconds."""

import threading
import time
from collections import deque
from collections.abc import Callable

from toolkit.emulator.appliance.refusal import Refusal

FAILURES_MAX = 5
WINDOW_SECONDS = 60.0
LOCKED_SECONDS = 30.0
_REMEMBERED_MAX = 10_000


class Lockout:
    """Counts failures by account and peer address; `monotonic` is handed in."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures: dict[tuple[str, str], deque[float]] = {}
        self._locked_until: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def check(self, account: str, peer: str) -> None:
        """Refusal 429 `locked_out` with the seconds left while the account is locked for this peer."""
        with self._lock:
            left = self._locked_until.get((account, peer), 0.0) - self._monotonic()
        if left > 0:
            seconds = int(left) + 1
            raise Refusal(
                429,
                "locked_out",
                f"Too many failures: this account is locked for your address for {seconds} s.",
                retry_after_seconds=seconds,
            )

    def failed(self, account: str, peer: str) -> None:
        """One more failure; the fifth within a minute locks."""
        now = self._monotonic()
        with self._lock:
            self._forget(now)
            recent = self._failures.setdefault((account, peer), deque(maxlen=FAILURES_MAX))
            recent.append(now)
            if len(recent) == FAILURES_MAX and now - recent[0] <= WINDOW_SECONDS:
                self._locked_until[account, peer] = now + LOCKED_SECONDS
                recent.clear()

    def succeeded(self, account: str, peer: str) -> None:
        """The failures before do not count any more."""
        with self._lock:
            self._failures.pop((account, peer), None)

    def _forget(self, now: float) -> None:
        """Keeps a flood of made-up names from filling the memory."""
        if len(self._failures) + len(self._locked_until) < _REMEMBERED_MAX:
            return
        self._locked_until = {who: until for who, until in self._locked_until.items() if until > now}
        self._failures = {
            who: times for who, times in self._failures.items() if times and now - times[-1] <= WINDOW_SECONDS
        }
