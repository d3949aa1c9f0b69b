"""A watch's folder: what lies in it, its lock, and its result read back, also after a kill."""

import fcntl
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from toolkit.model.errors import InputError, StorageError
from toolkit.model.run_report import Gap, HeldConnection
from toolkit.probes.watch.gaps import judge
from toolkit.probes.watch.jobs import ADDRESSES, CAPTURE, CERTIFICATES, CLOCK, HELD, OWNERS
from toolkit.probes.watch.keeping import segment
from toolkit.probes.watch.request import (
    AddressSeen,
    CertificateSeen,
    Method,
    MethodResult,
    OwnerSeen,
    WatchRequest,
    WatchResult,
    tally_of,
)
from toolkit.probes.watch.state_file import read_state
from toolkit.probes.watch.tally import PAUSE_US, Tally
from toolkit.storage.errors import storage_error
from toolkit.storage.whole_file import write_whole

REQUEST, STARTED, STOP, LOCK = "request.json", "started.json", "stop", "lock"
STATE = "state"
SUMMARY, LOG = "summary.json", "watch.log"
_THEN = "try again, or choose another folder for the watch"


def keep(path: Path, text: str) -> None:
    """Writes a small file of the folder so that it is there whole or not at all; raises StorageError."""
    write_whole(path, text.encode(), mode=0o644, then=_THEN)


def not_kept(path: Path, error: OSError) -> StorageError:
    """What to tell when something of the folder cannot be written."""
    return storage_error(path, error, then=_THEN)


def try_lock(directory: Path) -> int | None:
    """Takes the folder's lock: a descriptor that holds it until it is closed, None when a watch is running there."""
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def clear_unstarted(directory: Path) -> None:
    """Takes away what a watch left that never started; its log only when there is nothing in it."""
    for name in (REQUEST, LOCK):
        (directory / name).unlink(missing_ok=True)
    log = directory / LOG
    if log.exists() and log.stat().st_size == 0:
        log.unlink()


def is_running(directory: Path) -> bool:
    """Whether a watch runs in this folder now; the kernel knows, however it was started or its parent ended."""
    if not (directory / LOCK).exists():
        return False
    descriptor = try_lock(directory)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def read_request(directory: Path) -> WatchRequest:
    """What the watch in this folder was asked to do; raises InputError when there is none."""
    try:
        return WatchRequest.model_validate_json((directory / REQUEST).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise InputError(
            f"{directory} holds no watch",
            why=getattr(error, "strerror", None) or "its request.json cannot be read",
            next_move="Give the folder that the watch was started with.",
        ) from error


def read_result(directory: Path) -> WatchResult:
    """Everything the watch has seen so far; raises InputError when there is none, or it never started."""
    request = read_request(directory)
    running = is_running(directory)  # before the rest is read: what ends meanwhile is still read whole
    started, state = _json(directory / STARTED), read_state(directory / STATE) or {}
    if started is None:
        raise InputError(f"the watch in {directory} never started", next_move=f"See {directory / LOG}.")
    ended: dict[str, Any] | None = state.get("ended")
    end_us, usage, unsettled = (
        (ended[name] for name in ("end_us", "cpu_percent", "unsettled")) if ended else (0, {}, ())
    )
    tallies = {method: _tally(directory, request, method, state) for method in request.intervals_ms}
    # killed: its last sample is the last that is known of it
    seconds = (end_us or max(tally.latest_us for tally in tallies.values())) / 1e6
    methods = {}
    for method, tally in tallies.items():
        seen = judge(tally, settled=ended is not None and method not in unsettled, cpu_percent=usage.get(method))
        methods[method] = seen if running else _with_rest(seen, seconds * 1000.0)
    sights = [(line["seen_by"], OwnerSeen(**_without(line, "seen_by"))) for line in _lines(directory / OWNERS)]
    capture = directory / CAPTURE
    return WatchResult(
        request=request,
        started=datetime.fromisoformat(started["started"]),
        start_ns=started["start_ns"],
        boot_id=started["boot_id"],
        seconds=seconds,
        ended=ended["ended"] if ended else ("running" if running else "killed"),
        methods=methods,
        owners=tuple(seen for kind, seen in sights if kind == "reply"),
        claims=tuple(seen for kind, seen in sights if kind == "claim"),
        certificates=tuple(CertificateSeen(**line) for line in _lines(directory / CERTIFICATES)),
        addresses=tuple(AddressSeen(**line) for line in _lines(directory / ADDRESSES)),
        held=_held(_lines(directory / HELD)),
        clock_error_ms=max((line["error_ms"] for line in _lines(directory / CLOCK)), default=None),
        problems=tuple(ended["problems"] if ended else state.get("problems", ())) + _killed(ended, running=running),
        capture=capture if capture.exists() else None,
    )


def _tally(directory: Path, request: WatchRequest, method: Method, state: dict[str, Any]) -> Tally:
    """The figures as they were last put down, and what has come since."""
    kept = state.get("methods", {}).get(method)
    number, offset = kept["place"] if kept else (0, 0)
    tally = Tally.from_json(kept["tally"]) if kept else tally_of(request, method)
    while (path := segment(directory, f"{method}.samples", number)).exists():
        tally.feed(_bytes(path)[offset:])
        number, offset = number + 1, 0
    return tally


def _with_rest(seen: MethodResult, end_ms: float) -> MethodResult:
    """Where a method fell silent before the watch ended, nobody watched by it from then on."""
    if end_ms - seen.last_ms < max(PAUSE_US / 1000.0, 3 * seen.interval_ms):
        return seen
    return seen.model_copy(update={"unwatched": (*seen.unwatched, Gap(start_ms=seen.last_ms, end_ms=end_ms))})


def _held(lines: list[dict[str, Any]]) -> tuple[HeldConnection, ...]:
    """Every connection with its end, where that was seen."""
    held: dict[float, HeldConnection] = {}
    for line in lines:
        opened = line["how"] == "open"
        told = {**line, "ended_ms": None, "how": "not seen"} if opened else line
        held[line["opened_ms"]] = HeldConnection(**told)
    return tuple(held.values())


def join_capture(directory: Path) -> None:
    """Makes one file of the capture's segments, which are taken away one by one; raises StorageError.

    A pcapng file may hold several sections, so they are simply put one behind the other.
    """
    path = directory / CAPTURE
    stem, _, suffix = CAPTURE.partition(".")
    try:
        for piece in sorted(directory.glob(f"{stem}.*.{suffix}")):
            with path.open("ab") as whole:
                before = whole.tell()
                try:
                    whole.write(piece.read_bytes())
                    whole.flush()
                except OSError:
                    # half a section would make the rest unreadable, and stand there twice at the next attempt
                    whole.truncate(before)
                    raise
            piece.unlink()
    except OSError as error:
        raise not_kept(path, error) from error


def boot_id() -> str:
    """Which start of the machine this is: two watches of one start share a clock."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _killed(ended: dict[str, Any] | None, *, running: bool) -> tuple[str, ...]:
    return () if ended or running else ("the watch did not end by itself: it was killed",)


def _without(line: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != key}


def _json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    for line in _bytes(path).split(b"\n")[:-1]:  # a last line cut by a kill has no end
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
