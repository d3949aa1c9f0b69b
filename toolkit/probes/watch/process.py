"""The watch's own process: starts one worker per method, appends what they measure, and ends in time."""

import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

from toolkit.model.errors import ReboxError, RefusedError
from toolkit.probes.echo_socket import EchoSocket
from toolkit.probes.sockets import parse_address
from toolkit.probes.watch import folder
from toolkit.probes.watch.channel import Channel, channel_pair
from toolkit.probes.watch.icmp import watch_icmp
from toolkit.probes.watch.request import WatchRequest
from toolkit.probes.watch.target import Target
from toolkit.probes.watch.tcp import watch_tcp
from toolkit.probes.watch.worker import Worker

_LOOK_S = 0.05
_END_S_MAX = 5.0
_MESSAGE_BYTES = 2**20


@dataclass(frozen=True)
class Job:
    """One worker to start: its name, its two files, what it does, and whether it has to be prompt."""

    name: str
    data: str | None
    lines: str | None
    work: Callable[[Worker], None]
    prompt: bool = False


@dataclass
class _Running:
    job: Job
    files: dict[int, int]  # the supervisor's end of a channel to the file it is appended to
    ends: list[socket.socket]
    spoilt: set[int] = field(default_factory=set)
    ended: bool = False
    cpu_s: float = 0.0


class Supervisor:
    """Holds the folder's lock for as long as the watch lives."""

    def __init__(self, directory: Path) -> None:
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
        self._running: dict[int, _Running] = {}
        self._jobs = self._plan(self._request)
        self._start_ns = time.monotonic_ns()

    def _plan(self, request: WatchRequest) -> list[Job]:
        """Opens what needs rights first, so that a refusal is told before anything runs."""
        jobs: list[Job] = []
        if request.capture:
            jobs.append(_capture_job(request))
        if request.icmp_interval_ms is not None:
            probe = EchoSocket(parse_address(request.address))
            jobs.append(Job("icmp", "icmp.samples", None, lambda worker: watch_icmp(worker, probe), prompt=True))
        if request.tcp_port is not None:
            jobs.append(Job("tcp", "tcp.samples", None, watch_tcp, prompt=True))
        if request.https_name is not None:
            jobs.append(_https_job())
        if request.resolver is not None:
            jobs.append(_resolver_job())
        return jobs

    def start(self) -> None:
        """Forks the workers and says that the watch runs; raises StorageError."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._start_ns = time.monotonic_ns()
        started = {"started": datetime.now(UTC).isoformat(), "pid": os.getpid(), "start_ns": self._start_ns}
        for job in self._jobs:
            self._fork(job)
        folder.keep(self._directory / folder.STARTED, json.dumps(started))

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _fork(self, job: Job) -> None:
        pairs = {name: channel_pair() for name in (job.data, job.lines) if name is not None}
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
            self._work(job, data, lines)
        for end in spare:
            end.close()
        running = _Running(job, {}, [])
        for name, (ours, theirs) in pairs.items():
            theirs.close()
            running.files[ours.fileno()] = _append_to(self._directory / name)
            running.ends.append(ours)
        self._running[pid] = running

    def _work(self, job: Job, data: Channel, lines: Channel) -> NoReturn:
        status = 1
        try:
            worker = Worker(self._request, self._target, data, lines, self._start_ns)
            worker.settle(prompt=job.prompt)
            job.work(worker)
            data.finish()
            lines.finish()
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
        self._append(0.0)
        self._finish(why)

    def _watch(self) -> str:
        end = time.monotonic() + self._request.max_seconds
        stop, until = self._directory / folder.STOP, self._request.until_removed
        while True:
            self._append(_LOOK_S)
            for running in self._reap():
                self._problems.append(f"the {running.job.name} worker ended by itself; see {folder.LOG}")
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
                os.close(running.files.pop(end.fileno()))
                end.close()
                continue
            if end.fileno() not in running.spoilt:
                self._write(running, end.fileno(), message)

    def _write(self, running: _Running, number: int, message: bytes) -> None:
        """Appends one message; after a failure nothing more, for what came next would stand in the wrong place."""
        try:
            written = os.write(running.files[number], message)
        except OSError as error:
            why = error.strerror
        else:
            if written == len(message):
                return
            why = "no space is left on the device"
        running.spoilt.add(number)
        self._problems.append(f"what the {running.job.name} worker sees is no longer kept: {why}")

    def _finish(self, why: str) -> None:
        while any(running.ends for running in self._running.values()):
            before = sum(len(running.ends) for running in self._running.values())
            self._append(_LOOK_S)
            if self._alive() and sum(len(running.ends) for running in self._running.values()) == before:
                break
        seconds = (time.monotonic_ns() - self._start_ns) / 1e9
        ended = {
            "ended": why,
            "end_us": int(seconds * 1e6),
            "cpu_percent": {
                running.job.name: round(100.0 * running.cpu_s / seconds, 2) for running in self._running.values()
            },
            "problems": self._problems,
        }
        folder.keep(self._directory / folder.ENDED, json.dumps(ended))
        result = folder.read_result(self._directory)
        folder.keep(self._directory / folder.SUMMARY, result.model_dump_json(indent=2) + "\n")


# what a job needs is imported only when it is asked for: a watch is to run soon after it was started


def _capture_job(request: WatchRequest) -> Job:
    from toolkit.probes.route import route_to  # noqa: PLC0415
    from toolkit.probes.watch.capture import CaptureWatch, open_capture  # noqa: PLC0415

    interface = request.interface or route_to(parse_address(request.address)).interface
    link = open_capture(interface)
    return Job("capture", folder.CAPTURE, folder.OWNERS, lambda worker: CaptureWatch(worker, link, interface).run())


def _https_job() -> Job:
    from toolkit.probes.watch.https import CertificateLog, HttpsWatch  # noqa: PLC0415

    return Job(
        "https",
        "https.samples",
        folder.CERTIFICATES,
        lambda worker: HttpsWatch(worker, CertificateLog(worker)).run(),
    )


def _resolver_job() -> Job:
    from toolkit.probes.watch.resolve import watch_name  # noqa: PLC0415

    return Job("resolver", None, folder.ADDRESSES, watch_name)


def _append_to(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise folder.not_kept(path, error) from error


def launch(directory: Path) -> int:
    """Puts the supervisor in a session of its own; returns once it runs (0), or once it said why not (1).

    What it says is one JSON line on stdout, for `Watch.start`.
    """
    read, write = os.pipe()
    if os.fork() == 0:
        os.close(read)
        os.setsid()
        _leave_terminal()
        _supervise(directory, write)
    os.close(write)
    said = os.read(read, 65536)  # one write, or nothing when it died: the workers hold the other end too
    sys.stdout.write(said.decode())
    return 0 if said == b"{}" else 1


def _supervise(directory: Path, write: int) -> NoReturn:
    status = 1
    try:
        try:
            supervisor = Supervisor(directory)
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
