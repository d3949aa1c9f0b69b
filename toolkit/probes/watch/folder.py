"""A watch's folder: what lies in it, its lock, and its result read back, also after a kill."""

import fcntl
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from toolkit.model.errors import InputError, StorageError
from toolkit.probes.watch.gaps import judge
from toolkit.probes.watch.request import (
    AddressSeen,
    CertificateSeen,
    OwnerSeen,
    WatchRequest,
    WatchResult,
)
from toolkit.probes.watch.samples import read_samples
from toolkit.storage.errors import storage_error
from toolkit.storage.whole_file import write_whole

REQUEST, STARTED, ENDED, STOP, LOCK = "request.json", "started.json", "ended.json", "stop", "lock"
OWNERS, CERTIFICATES, ADDRESSES, CAPTURE = "owners.jsonl", "certificates.jsonl", "addresses.jsonl", "capture.pcapng"
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
    started, ended = _json(directory / STARTED), _json(directory / ENDED)
    if started is None:
        raise InputError(f"the watch in {directory} never started", next_move=f"See {directory / LOG}.")
    usage = (ended or {}).get("cpu_percent", {})
    methods = {}
    latest = 0
    for method, interval_ms in request.intervals_ms.items():
        sends, answers = read_samples(_bytes(directory / f"{method}.samples"))
        latest = max([latest, *sends[-1:], *answers.values()])
        methods[method] = judge(
            sends,
            answers,
            interval_ms=interval_ms,
            timeout_ms=request.timeout_ms,
            settled=ended is not None and not ended["problems"],  # else the last answers may not have been kept
            cpu_percent=usage.get(method),
        )
    sights = [(line["seen_by"], OwnerSeen(**_without(line, "seen_by"))) for line in _lines(directory / OWNERS)]
    capture = directory / CAPTURE
    return WatchResult(
        request=request,
        started=datetime.fromisoformat(started["started"]),
        seconds=(ended["end_us"] if ended else latest) / 1e6,
        ended=ended["ended"] if ended else ("running" if running else "killed"),
        methods=methods,
        owners=tuple(seen for kind, seen in sights if kind == "reply"),
        claims=tuple(seen for kind, seen in sights if kind == "claim"),
        certificates=tuple(CertificateSeen(**line) for line in _lines(directory / CERTIFICATES)),
        addresses=tuple(AddressSeen(**line) for line in _lines(directory / ADDRESSES)),
        problems=_problems(ended, running=running),
        capture=capture if capture.exists() else None,
    )


def _problems(ended: dict[str, Any] | None, *, running: bool) -> tuple[str, ...]:
    if ended is not None:
        return tuple(ended["problems"])
    return () if running else ("the watch did not end by itself: it was killed, or its disk was full",)


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
