"""Where ours and a peer meet: hosts in network namespaces, rounds taken in turn, medians, ratios and goals."""

import contextlib
import ctypes
import math
import os
import pickle
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NoReturn, Self, TypeVar

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_START_SECONDS_MAX = 10.0

Returned = TypeVar("Returned")


@dataclass(frozen=True)
class Row:
    """One comparison. `ratio` is how many times better ours is than the peer, whatever the unit's direction.

    `goal` is the least ratio, `limit` the most (or least) that ours may be in `unit`; None: none was set. `ours` and
    `peer` are None when they were not measured, which `note` explains; `met` is None without a measure or a goal.
    """

    work: str
    ours: float | None
    peer: float | None
    peer_name: str
    ratio: float | None
    goal: float | None
    unit: str
    met: bool | None
    note: str = ""
    limit: float | None = None


def compare(
    work: str,
    ours: Callable[[], float],
    peer: Callable[[], float],
    *,
    peer_name: str,
    goal: float | None = None,
    limit: float | None = None,
    unit: str,
    better: Literal["less", "more"] = "less",
    rounds: int = 5,
    note: str = "",
) -> Row:
    """Takes both in turn for `rounds` rounds (each call returns its own measure) and compares the medians.

    The order changes with every round, so that neither always runs on the warmer machine.
    """
    mine: list[float] = []
    theirs: list[float] = []
    for round_number in range(rounds):
        turns = [(ours, mine), (peer, theirs)]
        for measure, results in turns if round_number % 2 == 0 else reversed(turns):
            results.append(measure())
    return judged(
        work,
        statistics.median(mine),
        statistics.median(theirs),
        peer_name,
        goal=goal,
        limit=limit,
        unit=unit,
        better=better,
        note=note,
    )


def judged(
    work: str,
    ours: float,
    peer: float,
    peer_name: str,
    *,
    goal: float | None = None,
    limit: float | None = None,
    unit: str,
    better: Literal["less", "more"] = "less",
    note: str = "",
) -> Row:
    """The row for two measures that were taken elsewhere."""
    ratio = _ratio(peer, ours) if better == "less" else _ratio(ours, peer)
    kept = [] if goal is None else [ratio >= goal]
    if limit is not None:
        kept.append(ours <= limit if better == "less" else ours >= limit)
    return Row(work, ours, peer, peer_name, ratio, goal, unit, all(kept) if kept else None, note, limit)


def not_measured(work: str, peer_name: str, why: str, *, unit: str, goal: float | None = None) -> Row:
    """The row that says what is missing, so that a comparison is never silently absent."""
    return Row(work, None, None, peer_name, None, goal, unit, None, f"not measured: {why}")


def _ratio(above: float, below: float) -> float:
    if below > 0:
        return above / below
    return math.inf if above > 0 else 1.0


def timed_ms(action: Callable[[], object]) -> float:
    """How long one call takes, in milliseconds."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000.0


def machine() -> str:
    """The machine in one line, for the page of results."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return (
        f"{os.cpu_count()} cores of {model}, {pages * size / 2**30:.0f} GiB, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )


class Host:
    """One host of the arena: a network namespace, held open by a sleeping process."""

    def __init__(self, name: str, pid: int, kept: int) -> None:
        self.name = name
        self.pid = pid
        self._kept = kept  # our end of the pipe; the holder ends when it closes

    @property
    def prefix(self) -> list[str]:
        """What is put before a command to run it on this host."""
        return ["nsenter", "--preserve-credentials", "--user", "--net", "--target", str(self.pid), "--"]

    def run(self, *command: str, check: bool = True, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Runs a command on this host to its end."""
        done = subprocess.run(
            [*self.prefix, *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {' '.join(command)}: {done.stderr or done.stdout}")
        return done

    def ip(self, *lines: str) -> None:
        """Runs several `ip` commands, without the word `ip`, as one process."""
        done = subprocess.run(
            [*self.prefix, "ip", "-batch", "-"], input="\n".join(lines), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: {done.stderr}")

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Starts a command on this host; the caller ends it."""
        return subprocess.Popen(
            [*self.prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def call(self, function: Callable[[], Returned]) -> Returned:
        """Calls a function in a forked process on this host and returns what it returns, or raises what it raises."""
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            _answer(self.pid, function, write)
        os.close(write)
        with os.fdopen(read, "rb") as stream:
            answer = stream.read()
        os.waitpid(pid, 0)
        if not answer:
            raise RuntimeError(f"{self.name}: the forked call ended without an answer")
        raised, value = pickle.loads(answer)  # noqa: S301 - from our own child
        if raised is not None:
            raise raised
        return value  # type: ignore[no-any-return]

    def set(self, name: str, value: str) -> None:
        """Sets a kernel parameter of this host's network (`man 8 sysctl`)."""
        path = Path("/proc/sys", *name.split("."))
        self.call(lambda: path.write_text(value, encoding="ascii"))

    def address(self, interface: str) -> str:
        """The MAC of one of its interfaces."""
        words = self.run("ip", "-br", "link", "show", "dev", interface).stdout.split()
        return words[2]

    def end(self) -> None:
        """Lets the namespace go."""
        os.close(self._kept)
        os.waitpid(self.pid, 0)


class Arena:
    """A user namespace with as many hosts as wanted; needs no rights, and leaves nothing behind."""

    def __init__(self) -> None:
        self.hosts: dict[str, Host] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for host in reversed(list(self.hosts.values())):
            host.end()
        self.hosts.clear()

    def host(self, name: str) -> Host:
        """A new host with a loopback and nothing else; the first one also makes the user namespace."""
        first = next(iter(self.hosts.values()), None)
        ready, told = os.pipe()
        stay, kept = os.pipe()
        pid = os.fork()
        if pid == 0:
            others = [other._kept for other in self.hosts.values()]
            for descriptor in (ready, kept, *others):
                os.close(descriptor)
            _hold(None if first is None else first.pid, told, stay)
        os.close(told)
        os.close(stay)
        with os.fdopen(ready, "rb") as stream:
            problem = stream.read().decode()
        if problem != "ready":
            os.close(kept)
            os.waitpid(pid, 0)
            raise RuntimeError(f"no network namespace for {name}: {problem or 'the holder ended'}")
        host = Host(name, pid, kept)
        self.hosts[name] = host
        host.run("ip", "link", "set", "lo", "up")
        # a second of duplicate address detection per interface would only be waiting
        host.set("net.ipv6.conf.default.accept_dad", "0")
        return host

    def wire(self, left: Host, left_name: str, right: Host, right_name: str) -> None:
        """A cable between two hosts, both ends up."""
        left.run(
            "ip", "link", "add", left_name, "type", "veth", "peer", "name", right_name, "netns", str(right.pid)
        )  # fmt: skip
        for host, name in ((left, left_name), (right, right_name)):
            host.run("ip", "link", "set", name, "up")


@contextlib.contextmanager
def arena() -> Iterator[Arena]:
    """An arena for as long as the block lasts."""
    with Arena() as made:
        yield made


def _library() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _must(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _enter(pid: int) -> None:
    for kind in ("user", "net"):
        with Path(f"/proc/{pid}/ns/{kind}").open("rb") as stream:
            _must(_library().setns(stream.fileno(), 0), f"setns {kind}")


def _hold(beside: int | None, told: int, stay: int) -> NoReturn:
    """The holder's whole life: make the namespaces, say so, wait until nobody wants them any more."""
    try:
        _library().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        uid, gid = os.getuid(), os.getgid()
        if beside is None:
            _must(_library().unshare(_CLONE_NEWUSER | _CLONE_NEWNET), "unshare")
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")
        else:
            _enter(beside)
            _must(_library().unshare(_CLONE_NEWNET), "unshare")
        os.write(told, b"ready")
    except OSError as error:
        os.write(told, str(error).encode())
    os.close(told)
    os.read(stay, 1)
    os._exit(0)


def _answer(pid: int, function: Callable[[], object], write: int) -> NoReturn:
    try:
        _enter(pid)
        answer = pickle.dumps((None, function()))
    except BaseException as error:
        answer = pickle.dumps((_portable(error), None))
    sys.stdout.flush()
    sys.stderr.flush()
    with os.fdopen(write, "wb") as stream:
        stream.write(answer)
    os._exit(0)


def _portable(error: BaseException) -> BaseException:
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
