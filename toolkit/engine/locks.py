"""Only one run or command at a time works on a box: locks that vanish with the process, and claims that outlive it.

A lock is an `flock` on `locks/<serial>.lock` and on the run's folder: the kernel drops it when the process ends in
whatever way. A claim is the file `claims/<serial>.json`: it says which unfinished run the box belongs to, so that no
other run begins on a box that is half changed, and it carries the token and heartbeat of the process at work, which
every irreversible step checks right before it acts. A command such as `rebox backup create` needs no claim, because
nothing of it is to be resumed; it holds the lock while it works.
"""

import contextlib
import errno
import fcntl
import json
import os
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from toolkit.engine.history import read_history
from toolkit.engine.states import UNFINISHED
from toolkit.model.errors import DamagedRecordError, ReboxError, RefusedError, StorageError, UnknownStateError
from toolkit.storage.entries import still_is
from toolkit.storage.errors import storage_error
from toolkit.storage.sealed import Sealed
from toolkit.storage.whole_file import write_whole

# a reader that only asks whether a run is alive holds its lock for an instant: no reason to refuse
_PATIENCE_SECONDS = 0.3
_BEAT_SECONDS = 2.0
_CLAIMS = "claims"


class Claim(Sealed):
    """`claims/<serial>.json`."""

    serial_number: str
    run_id: str
    run_directory: Path
    process: int
    token: str
    beat: datetime


@dataclass
class Lease:
    """The right of this process to work on the run's boxes; `assert_held` proves it still is ours.

    On a full disk `make_room` is asked for room; where there is none, a run that is `going_back` does without a claim
    that was not there: its locks hold, and nothing may stop the way back.
    """

    claims: dict[Path, Claim]
    locks: dict[Path, int]
    now: Callable[[], datetime]
    make_room: Callable[[], bool] = lambda: False
    going_back: bool = False
    last_beat: float = 0.0

    def beat(self) -> None:
        """Renews the heartbeat, at most every two seconds."""
        if time.monotonic() - self.last_beat >= _BEAT_SECONDS:
            self.renew()

    def assert_held(self) -> None:
        """Raises RefusedError unless every lock and every claim is still this process's; renews the heartbeat."""
        for path, descriptor in self.locks.items():
            if not still_is(path, descriptor):
                raise _lost(path, "the lock file was removed or replaced")
        for path, claim in self.claims.items():
            found = read_claim(path)
            if found is None or found.token != claim.token:
                raise _lost(path, "another process has taken the box over")
        self.renew()

    def renew(self) -> None:
        """Writes the heartbeat."""
        for path, claim in self.claims.items():
            self._write(path, claim.model_copy(update={"beat": self.now()}))
        self.last_beat = time.monotonic()

    def _write(self, path: Path, claim: Claim) -> None:
        """Writes a claim whole; on a full disk over the one this run has there already, which needs no room."""
        content = claim.sealed_json()
        while True:
            try:
                write_whole(path, content)
            except StorageError as error:
                if not _is_full(error):
                    raise
                if _is_of_run(path, claim.run_id):
                    _write_over(path, content)
                elif self.make_room():
                    continue
                elif not self.going_back:
                    raise
            return

    def release_boxes(self) -> None:
        """Gives the boxes free for other runs; called when the run has ended for good."""
        for path in self.claims:
            path.unlink(missing_ok=True)
        self.claims = {}


class BoxLocks:
    """Locks and claims in one state folder, which all runs of a machine share."""

    def __init__(self, state_directory: Path, now: Callable[[], datetime]) -> None:
        self._locks = state_directory / "locks"
        self._claims = state_directory / _CLAIMS
        self._now = now

    def refuse_if_taken(self, serials: Sequence[str], run_id: str) -> None:
        """Raises RefusedError when an unfinished run other than this one, or a command, has one of the boxes.

        Changes nothing.
        """
        self._refuse_if_claimed(serials, run_id)
        for serial in serials:
            path = self._lock_path(serial)
            if _is_locked(path):
                raise _busy(f"box {serial}", _holder(path))

    def _refuse_if_claimed(self, serials: Sequence[str], run_id: str = "") -> None:
        for serial in serials:
            claim = read_claim(self._claim_path(serial))
            if claim is not None and claim.run_id != run_id and _still_unfinished(claim):
                raise RefusedError(
                    f"box {serial} belongs to an unfinished run",
                    where=f"run {claim.run_id}",
                    why=_who(_holder(self._lock_path(serial))),
                    next_move=f"First end that one: rebox resume {claim.run_id}, or rebox back {claim.run_id}; when "
                    f"neither can be done, rebox abandon {claim.run_id}",
                )

    @contextlib.contextmanager
    def hold(
        self,
        serials: Sequence[str],
        run_id: str,
        run_directory: Path,
        token: str,
        *,
        make_room: Callable[[], bool] = lambda: False,
        going_back: bool = False,
    ) -> Iterator[Lease]:
        """Locks the run's folder and the boxes and claims them; raises RefusedError naming who has them.

        `make_room` and `going_back` are as for `Lease`.
        """
        with contextlib.ExitStack() as stack:
            folder = os.open(run_directory, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, folder)
            if not _flock(folder):
                holder = _holder(self._lock_path(serials[0])) if serials else {}
                raise _busy("it", holder if holder.get("run_id") == run_id else {"run_id": run_id})
            locks = {}
            for serial in sorted(set(serials)):
                locks[self._lock_path(serial)] = stack.enter_context(self._locked(serial, {"run_id": run_id}))
            self._refuse_if_claimed(serials, run_id)
            claims = {self._claim_path(s): self._claim(s, run_id, run_directory, token) for s in sorted(set(serials))}
            lease = Lease(claims, locks, self._now, make_room, going_back)
            try:
                self._claims.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise storage_error(self._claims, error) from None
            lease.renew()
            yield lease

    def claims_of(self, run_id: str) -> dict[str, Claim]:
        """The claims of one run by serial number, whatever has become of its folder."""
        found: dict[str, Claim] = {}
        for path in sorted(self._claims.glob("*.json")):
            with contextlib.suppress(UnknownStateError):
                claim = read_claim(path)
                if claim is not None and claim.run_id == run_id:
                    found[claim.serial_number] = claim
        return found

    def release_claims_of(self, run_id: str) -> tuple[str, ...]:
        """Gives free the boxes of a run whose folder is gone or cannot be read; their serial numbers.

        Raises RefusedError when a process works on one of them.
        """
        released = []
        with contextlib.ExitStack() as stack:
            for serial in self.claims_of(run_id):
                stack.enter_context(self._locked(serial, {"command": f"rebox abandon {run_id}"}))
                self._claim_path(serial).unlink(missing_ok=True)
                released.append(serial)
        return tuple(released)

    @contextlib.contextmanager
    def hold_for_command(self, serial: str, command: str) -> Iterator[None]:
        """Locks one box while a command works on it; raises RefusedError naming who has it, a run or a command.

        An interrupted run keeps its boxes: what a command changed on them, its resume would not know of.
        """
        with self._locked(serial, {"command": command}):
            self._refuse_if_claimed([serial])
            yield

    @contextlib.contextmanager
    def _locked(self, serial: str, holder: Mapping[str, str]) -> Iterator[int]:
        path = self._lock_path(serial)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise storage_error(path, error) from None
        try:
            if not _flock(descriptor):
                raise _busy(f"box {serial}", _holder(path))
            _sign(path, descriptor, holder)
            yield descriptor
        finally:
            os.close(descriptor)

    def _claim(self, serial: str, run_id: str, run_directory: Path, token: str) -> Claim:
        return Claim(
            serial_number=serial,
            run_id=run_id,
            run_directory=run_directory,
            process=os.getpid(),
            token=token,
            beat=self._now(),
        )

    def _lock_path(self, serial: str) -> Path:
        return self._locks / f"{urllib.parse.quote(serial, safe='')}.lock"

    def _claim_path(self, serial: str) -> Path:
        return _claim_path(self._claims, serial)


def find_claim(state_directory: Path, serial: str) -> Claim | None:
    """Which unfinished run a box belongs to; raises as `read_claim` does."""
    return read_claim(_claim_path(state_directory / _CLAIMS, serial))


def _claim_path(claims: Path, serial: str) -> Path:
    return claims / f"{urllib.parse.quote(serial, safe='')}.json"


def read_claim(path: Path) -> Claim | None:
    """The claim on a box, None when there is none; raises UnknownStateError when it cannot be read."""
    try:
        return Claim.read_sealed(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        raise UnknownStateError(
            "it cannot be told whether another run holds the box",
            where=str(path),
            why="the claim cannot be read",
            next_move="See rebox runs; when no run is unfinished, delete that file.",
        ) from None


def _is_full(error: StorageError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENOSPC


def _is_of_run(path: Path, run_id: str) -> bool:
    try:
        there = read_claim(path)
    except UnknownStateError:
        return False
    return there is not None and there.run_id == run_id


def _write_over(path: Path, content: bytes) -> None:
    """Writes into the blocks a small file has, without giving any of them away first."""
    try:
        with path.open("r+b") as file:
            file.write(content)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise storage_error(path, error) from None


def _still_unfinished(claim: Claim) -> bool:
    try:
        return read_history(claim.run_directory).state in UNFINISHED
    except DamagedRecordError as error:
        if not claim.run_directory.is_dir():
            raise _gone(claim) from None
        raise UnknownStateError(
            f"it cannot be told how run {claim.run_id} ended, which has box {claim.serial_number}",
            where=error.where,
            why="its record is damaged",
            next_move=error.next_move,
        ) from None
    except ReboxError:
        raise _gone(claim) from None


def _gone(claim: Claim) -> UnknownStateError:
    return UnknownStateError(
        f"it cannot be told how run {claim.run_id} ended",
        where=str(claim.run_directory),
        why="its folder cannot be read" if claim.run_directory.is_dir() else "its folder is gone",
        next_move=f"Restore the folder; or make sure that box {claim.serial_number} is as it should be, and give it "
        f"free: rebox abandon {claim.run_id}",
    )


def _flock(descriptor: int) -> bool:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def _sign(path: Path, descriptor: int, holder: Mapping[str, str]) -> None:
    """Writes into the lock who holds it."""
    content = json.dumps({**holder, "process": os.getpid()}).encode()
    try:
        # over what stands there: on a full disk a file that was emptied first could not be filled again
        os.pwrite(descriptor, content, 0)
        os.ftruncate(descriptor, len(content))
    except OSError as error:
        if error.errno != errno.ENOSPC:  # the lock holds without it
            raise storage_error(path, error) from None


def _holder(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise storage_error(path, error) from None
    try:
        return not _flock(descriptor)
    finally:
        os.close(descriptor)


def _who(holder: Mapping[str, object]) -> str:
    if "process" not in holder:
        return "it is not known which process"
    if "command" in holder:
        return f"{holder['command']} is or was at work on it, as process {holder['process']}"
    return f"run {holder.get('run_id')} was last worked on by process {holder.get('process')}"


def _busy(what: str, holder: Mapping[str, object]) -> RefusedError:
    run_id, command = holder.get("run_id"), holder.get("command")
    return RefusedError(
        f"{what} is being worked on",
        where=f"run {run_id}" if run_id else str(command or ""),
        why=_who(holder),
        next_move="Wait until it has ended (rebox runs), or interrupt it with Ctrl-C where it runs."
        if run_id
        else "Wait until it has ended, or interrupt it with Ctrl-C where it runs.",
    )


def _lost(path: Path, why: str) -> RefusedError:
    return RefusedError(
        "this process no longer holds the box, so nothing irreversible is done",
        where=str(path),
        why=why,
        next_move="See who works on it with rebox runs, then resume the run.",
    )
