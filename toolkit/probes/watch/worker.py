"""What all workers of a watch share: their start, their pace, and their end."""

import contextlib
import ctypes
import gc
import os
import platform
import resource
import signal
import struct
import time
from collections.abc import Callable
from types import FrameType

from toolkit.probes.watch.channel import Channel
from toolkit.probes.watch.samples import ANSWER, FAILED, SAMPLE, STOOD
from toolkit.probes.watch.settings import WatchSettings, boot_time_ns
from toolkit.probes.watch.target import Target

FLUSH_S = 0.2
_PR_SET_PDEATHSIG, _PR_SET_TIMERSLACK = 1, 29
_FIFO_PRIORITY = 5
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_SLICE_NS = 100_000
_NICE = -15
_MADE_UP_NS = 10_000_000


class Worker:
    """One forked process with one job; `stopping` becomes true when it is asked to end, or its supervisor is gone.

    `data` takes what is measured all the time, `lines` what happens now and then.
    """

    def __init__(
        self,
        request: WatchSettings,
        target: Target,
        data: Channel,
        lines: Channel,
        start_ns: int,
        *,
        first_sequence: int = 0,
    ) -> None:
        self.request = request
        self.target = target
        self.data = data
        self.lines = lines
        self.start_ns = start_ns
        self.first_sequence = first_sequence
        self.stopping = False
        self.channels: dict[str, Channel] = {}
        self._flushed = time.monotonic()

    def settle(self, *, prompt: bool) -> None:
        """Called once in the new process. `prompt` asks for real-time scheduling, where that is allowed.

        A prompt worker always sleeps between two probes and never spins, so the kernel's real-time throttle has
        nothing to take away.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        # a connection that hangs keeps its descriptor for as long as it hangs
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        library = ctypes.CDLL(None)
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if prompt:
            library.prctl(_PR_SET_TIMERSLACK, 1)
            try:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_FIFO_PRIORITY))
            except OSError:
                _ask_for_short_slices(library)
                with contextlib.suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, 0, _NICE)
        # a collection in the middle of things would be a pause of our own; what is made here dies by reference count
        gc.collect()
        gc.freeze()
        gc.disable()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def now_us(self) -> int:
        """Microseconds since the watch's start."""
        return (boot_time_ns() - self.start_ns) // 1000

    def sent(self, sequence: int, at_us: int) -> None:
        """Writes down a send."""
        self.data.add(SAMPLE.pack(sequence, at_us))

    def answered(self, sequence: int, at_us: int) -> None:
        """Writes down an answer."""
        self.data.add(SAMPLE.pack(sequence | ANSWER, at_us))

    def failed(self, sequence: int, at_us: int, *, stood: bool = False) -> None:
        """Writes down an end without an answer; `stood`: the connection had been established."""
        self.data.add(SAMPLE.pack(sequence | ANSWER, at_us | FAILED | (STOOD if stood else 0)))

    def flush_when_due(self) -> None:
        """Hands over what was measured, several times a second: a kill loses no more than that."""
        now = time.monotonic()
        if now - self._flushed >= FLUSH_S:
            self._flushed = now
            self.data.flush()


def _ask_for_short_slices(library: ctypes.CDLL) -> None:
    """Without real-time rights: a process that asks for short slices is woken sooner (Linux 6.12; ignored before).

    `sched_setattr` has no wrapper in the C libraries of today, hence the number; elsewhere nothing is asked for.
    """
    number = _SCHED_SETATTR.get(platform.machine())
    if number is not None:
        attributes = struct.pack("=IIQiIQQQ", 48, 0, 0, os.getpriority(os.PRIO_PROCESS, 0), 0, _SLICE_NS, 0, 0)
        library.syscall(number, 0, attributes, 0)


class Pace:
    """Ticks on a fixed grid.

    Ticks missed by the few milliseconds that are normal on a shared machine are made up for at once, so that the
    number of losses stays a measure of time; after a longer pause the older ones are left out. Neither hides a pause:
    what counts is when a probe was really sent.
    """

    def __init__(self, interval_ms: float, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._interval_ns = int(interval_ms * 1e6)
        self._now_ns = now_ns
        self._next_ns = now_ns()

    def left_s(self) -> float:
        """How long until the next tick; negative when it is due."""
        return (self._next_ns - self._now_ns()) / 1e9

    def advance(self) -> None:
        """On to the next tick that is to be kept."""
        self._next_ns += self._interval_ns
        too_late = self._now_ns() - self._next_ns - _MADE_UP_NS
        if too_late > 0:
            self._next_ns += (too_late // self._interval_ns + 1) * self._interval_ns
