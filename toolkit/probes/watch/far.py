"""The workers of a watch on another machine: sent there over SSH, it hands over what they measure and leaves nothing.

It ends with the connection. Python's own library only; an ordinary user's rights are enough, where the system gives
ping sockets to them (`net.ipv4.ping_group_range`): else ICMP is left out, and that is said.
"""

import os
import select
import signal
import socket
import sys
import time
import traceback
from dataclasses import replace
from typing import IO, Any, NoReturn

from toolkit.model.errors import PermissionDeniedError, ReboxError
from toolkit.probes.watch.channel import Channel, channel_pair
from toolkit.probes.watch.jobs import ADDRESSES, Job, plan_jobs
from toolkit.probes.watch.parcels import READY, GoneError, receive, send, tell, words_of
from toolkit.probes.watch.settings import WatchSettings, boot_time_ns
from toolkit.probes.watch.target import Target
from toolkit.probes.watch.worker import Worker

_MESSAGE_BYTES = 2**20
_END_S_MAX = 5.0


class FarWatch:
    """One connection: answers for its clock, starts the workers, hands over what they measure, ends them."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes]) -> None:
        self._reader, self._writer = reader, writer
        self._ends: dict[socket.socket, str] = {}
        self._pids: list[int] = []
        self._stopping_until: float | None = None
        self._timeout_s = 0.0

    def serve(self) -> None:
        """Until it is told to stop, or the connection has ended."""
        tell(self._writer, {"ready": READY})
        try:
            while self._stopping_until is None or (self._ends and time.monotonic() < self._stopping_until):
                sources: list[IO[bytes] | socket.socket] = [self._reader, *self._ends]
                ready, _, _ = select.select(sources, [], [], 1.0)
                for one in ready:
                    if isinstance(one, socket.socket):
                        self._hand_over(one)
                    else:
                        self._answer(words_of(receive(self._reader)[1]))
            tell(self._writer, {"ended": True})
        except (GoneError, OSError, ValueError):
            pass  # nobody is there to be told
        finally:
            for pid in self._pids:
                os.kill(pid, signal.SIGKILL)

    def _answer(self, asked: dict[str, Any]) -> None:
        match asked.get("do"):
            case "clock":
                tell(self._writer, {"now_ns": boot_time_ns()})
            case "watch":
                tell(self._writer, self._watch(asked))
            case "stop":
                self._stopping_until = time.monotonic() + self._timeout_s + _END_S_MAX
                for pid in self._pids:
                    os.kill(pid, signal.SIGTERM)
            case _:
                raise GoneError("it asks what nobody understands")

    def _watch(self, asked: dict[str, Any]) -> dict[str, Any]:
        settings = WatchSettings(**asked["settings"])
        self._timeout_s = settings.timeout_ms / 1000.0
        left_out = ""
        try:
            try:
                jobs = plan_jobs(settings)
            except PermissionDeniedError as error:
                left_out = error.what
                jobs = plan_jobs(replace(settings, icmp_interval_ms=None))
        except ReboxError as error:
            return {"error": str(error)}
        if settings.resolver is not None:
            jobs.append(Job("resolver", None, ADDRESSES, follow_name))
        target = Target(settings.address)
        for job in jobs:
            first = int(asked["first_sequence"].get(job.name, 0))
            self._fork(job, settings, target, int(asked["start_ns"]), first)
        return {"left_out": left_out, "jobs": [job.name for job in jobs]}

    def _fork(self, job: Job, settings: WatchSettings, target: Target, start_ns: int, first: int) -> None:
        pairs = {name: channel_pair() for name in (job.data, job.lines) if name is not None}
        spare = channel_pair()
        pid = os.fork()
        if pid == 0:
            for ours in (*self._ends, *(pair[0] for pair in pairs.values())):
                ours.close()
            data = Channel(pairs[job.data][1] if job.data else spare[1])
            lines = Channel(pairs[job.lines][1] if job.lines else spare[1])
            _work(job, Worker(settings, target, data, lines, start_ns, first_sequence=first), data, lines)
        for end in spare:
            end.close()
        for name, (ours, theirs) in pairs.items():
            theirs.close()
            self._ends[ours] = name
        self._pids.append(pid)

    def _hand_over(self, end: socket.socket) -> None:
        message = end.recv(_MESSAGE_BYTES)
        if message:
            send(self._writer, self._ends[end], message)
            return
        del self._ends[end]
        end.close()


def _work(job: Job, worker: Worker, data: Channel, lines: Channel) -> NoReturn:
    status = 1
    try:
        worker.settle(prompt=job.prompt)
        job.work(worker)
        data.finish()
        lines.finish()
        status = 0
    except BaseException:  # over there nobody reads it; here it stands in the log
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def follow_name(worker: Worker) -> None:
    """The name as that machine's own programs resolve it; an answer that fails leaves the target as it is."""
    request = worker.request
    worker.lines.add_line({"at_ms": worker.now_us() / 1000.0, "address": str(worker.target.address)})
    family = socket.AF_INET if worker.target.address.version == 4 else socket.AF_INET6
    while not worker.stopping:
        time.sleep(request.resolver_interval_ms / 1000.0)
        try:
            found = [entry[4][0] for entry in socket.getaddrinfo(request.https_name, None, family, socket.SOCK_STREAM)]
        except OSError:
            continue
        if found and str(worker.target.address) not in found and worker.target.change(str(found[0])):
            worker.lines.add_line({"at_ms": worker.now_us() / 1000.0, "address": str(found[0])})


def main() -> None:
    """Serves on standard input and output, which nobody else then writes to."""
    reader, writer = os.fdopen(0, "rb", buffering=0), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    FarWatch(reader, writer).serve()


if __name__ == "__main__":
    main()
