"""The watch's own process: starts one worker per method, appends what they measure, and ends in time."""

import gc
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn, Protocol

from toolkit.model.errors import ReboxError, RefusedError
from toolkit.probes.sockets import parse_address
from toolkit.probes.watch import folder
from toolkit.probes.watch.channel import Channel, channel_pair
from toolkit.probes.watch.jobs import CAPTURE, OWNERS, Job, capture_job, plan_jobs, resolver_job
from toolkit.probes.watch.keeping import Capture, Lines, Samples, SpoiltError
from toolkit.probes.watch.request import Method, WatchRequest, tally_of
from toolkit.probes.watch.settings import boot_time_ns
from toolkit.probes.watch.state_file import StateFile
from toolkit.probes.watch.target import Target
from toolkit.probes.watch.worker import Worker

_LOOK_S = 0.05
_END_S_MAX = 5.0
_STATE_S = 2.0
_MESSAGE_BYTES = 2**20


class _Kept(Protocol):
    """Where a worker's messages go."""

    def add(self, message: bytes) -> None:
        """Takes one; raises SpoiltError."""
        ...


@dataclass
class _Running:
    job: Job
    kept: dict[int, _Kept]  # by the supervisor's end of a channel
    ends: list[socket.socket]
    ended: bool = False
    cpu_s: float = 0.0


class Supervisor:
    """Holds the folder's lock for as long as the watch lives."""

    def __init__(self, directory: Path, plan: Callable[[WatchRequest], list[Job]]) -> None:
        lock = folder.try_lock(directory)
        if lock is None or (directory / folder.STARTED).exists():
            raise RefusedError(
                f"there is a watch in {directory} already",
                why="it is running" if lock is None else "its results are kept",
                next_move="Give every watch a folder of its own.",
            )
        self._directory = directory
        self._request = folder.read_request(directory)
        self._target = Target(self._request.address)
        self._stopping = False
        self._problems: list[str] = []
        self._unsettled: set[str] = set()
        self._running: dict[int, _Running] = {}
        self._samples: dict[Method, Samples] = {}
        self._owners: Lines | None = None
        self._jobs = plan(self._request)
        self._start_ns = boot_time_ns()
        self._state_at = 0.0
        try:
            self._state = StateFile(directory / folder.STATE, _state_bytes(self._request))
        except OSError as error:
            raise folder.not_kept(directory / folder.STATE, error) from error

    def start(self) -> None:
        """Forks the workers and says that the watch runs; raises StorageError."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._start_ns = boot_time_ns()
        started = {
            "started": datetime.now(UTC).isoformat(),
            "pid": os.getpid(),
            "start_ns": self._start_ns,
            "boot_id": folder.boot_id(),
        }
        # what is loaded stays shared with the workers: a collection would write into every page of it
        gc.collect()
        gc.freeze()
        for job in self._jobs:
            self._fork(job)
        folder.keep(self._directory / folder.STARTED, json.dumps(started))

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _fork(self, job: Job) -> None:
        pairs = {name: channel_pair() for name in (job.data, job.lines, *job.further) if name is not None}
        spare = channel_pair()
        pid = os.fork()
        if pid == 0:
            for other in self._running.values():
                for end in other.ends:
                    end.close()
            for ours, _ in pairs.values():
                ours.close()
            data = Channel(pairs[job.data][1] if job.data else spare[1])
            lines = Channel(pairs[job.lines][1] if job.lines else spare[1])
            self._work(job, data, lines, {name: Channel(pairs[name][1]) for name in job.further})
        for end in spare:
            end.close()
        running = _Running(job, {}, [])
        for name, (ours, theirs) in pairs.items():
            theirs.close()
            running.kept[ours.fileno()] = self._keep(name)
            running.ends.append(ours)
        self._running[pid] = running

    def _keep(self, name: str) -> _Kept:
        """Opens what a worker's messages are kept in; raises StorageError."""
        try:
            for method in self._request.intervals_ms:
                if name == f"{method}.samples":
                    self._samples[method] = Samples(self._directory, name, tally_of(self._request, method))
                    return self._samples[method]
            if name == CAPTURE:
                return Capture(self._directory, name, self._request.capture_bytes_max, self._events)
            lines = Lines(self._directory / name)
        except OSError as error:
            raise folder.not_kept(self._directory / name, error) from error
        if name == OWNERS:
            self._owners = lines
        return lines

    def _events(self) -> int:
        """How much has happened so far that the capture should show: losses, late answers, cuts, changes of owner."""
        tallies = [samples.tally for samples in self._samples.values()]
        return sum(one.lost + one.delayed + one.cut for one in tallies) + (self._owners.count if self._owners else 0)

    def _work(self, job: Job, data: Channel, lines: Channel, further: dict[str, Channel]) -> NoReturn:
        status = 1
        try:
            worker = Worker(self._request.settings, self._target, data, lines, self._start_ns)
            worker.channels = further
            worker.settle(prompt=job.prompt)
            job.work(worker)
            for channel in (data, lines, *further.values()):
                channel.finish()
            status = 0
        except BaseException:  # it goes to the log, and the supervisor tells that the worker ended
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def run(self) -> None:
        """Until stopped, out of time, or told by a file; then lets the workers end and writes the summary."""
        why = self._watch()
        for pid in self._alive():
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + self._request.timeout_ms / 1000.0 + _END_S_MAX
        while self._alive() and time.monotonic() < deadline:
            self._append(_LOOK_S)
            self._reap()
        for pid in self._alive():
            os.kill(pid, signal.SIGKILL)
            self._problems.append(f"the {self._running[pid].job.name} worker did not end and was killed")
            self._unsettled.add(self._running[pid].job.name)
        self._append(0.0)
        self._finish(why)

    def _watch(self) -> str:
        end = time.monotonic() + self._request.max_seconds
        stop, until = self._directory / folder.STOP, self._request.until_removed
        while True:
            self._append(_LOOK_S)
            self._put_down_state()
            for running in self._reap():
                self._problems.append(f"the {running.job.name} worker ended by itself; see {folder.LOG}")
                self._unsettled.add(running.job.name)
            if self._stopping or stop.exists():
                return "stopped"
            if time.monotonic() >= end:
                return "limit"
            if until is not None and not until.exists():
                return "removed"
            if not self._alive():
                return "stopped"

    def _alive(self) -> list[int]:
        return [pid for pid, running in self._running.items() if not running.ended]

    def _reap(self) -> list[_Running]:
        ended = []
        for pid in self._alive():
            done, _, usage = os.wait4(pid, os.WNOHANG)
            if done:
                running = self._running[pid]
                running.ended = True
                running.cpu_s = usage.ru_utime + usage.ru_stime
                ended.append(running)
        return ended

    def _append(self, wait_s: float) -> None:
        """Takes every message there is and appends it, each with one write."""
        ends = {end: running for running in self._running.values() for end in running.ends}
        readable, _, _ = select.select(list(ends), [], [], wait_s)
        if not ends:
            time.sleep(wait_s)
        for end in readable:
            running = ends[end]
            message = end.recv(_MESSAGE_BYTES)
            if not message:
                running.ends.remove(end)
                del running.kept[end.fileno()]
                end.close()
                continue
            try:
                running.kept[end.fileno()].add(message)
            except SpoiltError as error:
                counted = "is counted, but no longer kept" if end.fileno() in self._counted(running) else "is lost"
                self._problems.append(f"what the {running.job.name} worker sees {counted}: {error}")

    def _counted(self, running: _Running) -> set[int]:
        return {number for number, kept in running.kept.items() if isinstance(kept, Samples)}

    def _put_down_state(self, ended: dict[str, object] | None = None) -> None:
        """The figures so far, where a full disk does not matter; every two seconds, and at the end."""
        now = time.monotonic()
        if ended is None and now - self._state_at < _STATE_S:
            return
        self._state_at = now
        try:
            self._state.write(
                {
                    "methods": {method: samples.as_json() for method, samples in self._samples.items()},
                    "problems": self._problems,
                    "ended": ended,
                }
            )
        except OSError as error:
            problem = f"the figures cannot be kept: {error.strerror or error}"
            if problem not in self._problems:
                self._problems.append(problem)

    def _finish(self, why: str) -> None:
        while any(running.ends for running in self._running.values()):
            before = sum(len(running.ends) for running in self._running.values())
            self._append(_LOOK_S)
            if self._alive() and sum(len(running.ends) for running in self._running.values()) == before:
                break
        seconds = (boot_time_ns() - self._start_ns) / 1e9
        ended: dict[str, object] = {
            "ended": why,
            "end_us": int(seconds * 1e6),
            "cpu_percent": {
                running.job.name: round(100.0 * running.cpu_s / seconds, 2) for running in self._running.values()
            },
            "unsettled": sorted(self._unsettled),
            "problems": self._problems,
        }
        self._put_down_state(ended)
        # for people; on a full disk the state file has it all
        with suppress(ReboxError):
            folder.join_capture(self._directory)
        with suppress(ReboxError):
            result = folder.read_result(self._directory)
            folder.keep(self._directory / folder.SUMMARY, result.model_dump_json(indent=2) + "\n")


def local_jobs(request: WatchRequest) -> list[Job]:
    """All that is done on this machine; raises PermissionDeniedError, InputError, UnreachableError (no route)."""
    jobs: list[Job] = []
    if request.capture:
        from toolkit.probes.route import route_to  # noqa: PLC0415  only this needs it

        jobs.append(capture_job(request.interface or route_to(parse_address(request.address)).interface))
    jobs += plan_jobs(request.settings)
    if request.resolver is not None:
        jobs.append(resolver_job())
    return jobs


def _state_bytes(request: WatchRequest) -> int:
    """Room for two states: what is listed of every method, and all that may be under way at once."""
    under_way = sum(
        (request.timeout_ms + request.patience_ms) / interval_ms for interval_ms in request.intervals_ms.values()
    )
    return 2 * (256 * 1024 + 40 * int(under_way))


def launch(directory: Path, plan: Callable[[WatchRequest], list[Job]] = local_jobs) -> int:
    """Puts the supervisor in a session of its own; returns once it runs (0), or once it said why not (1).

    What it says is one JSON line on stdout, for `Watch.start`.
    """
    read, write = os.pipe()
    if os.fork() == 0:
        os.close(read)
        os.setsid()
        _leave_terminal()
        _supervise(directory, plan, write)
    os.close(write)
    said = os.read(read, 65536)  # one write, or nothing when it died: the workers hold the other end too
    sys.stdout.write(said.decode())
    return 0 if said == b"{}" else 1


def _supervise(directory: Path, plan: Callable[[WatchRequest], list[Job]], write: int) -> NoReturn:
    status = 1
    try:
        try:
            supervisor = Supervisor(directory, plan)
            supervisor.start()
        except ReboxError as error:
            os.write(write, json.dumps({**error.as_json(), "class": type(error).__name__}).encode())
        else:
            os.write(write, b"{}")
            os.close(write)
            supervisor.run()
            status = 0
    except BaseException:  # whatever it is, it goes to the log; there is nobody else to tell
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _leave_terminal() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(launch(Path(sys.argv[1])))
