"""Starting a watch, finding it again, and ending it: the side of whoever wants to know."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from toolkit.model import errors
from toolkit.model.errors import InputError, ReboxError, RefusedError, UnknownStateError, words_of
from toolkit.probes.watch import folder
from toolkit.probes.watch.request import WatchRequest, WatchResult

_START_S_MAX = 20.0
_STOP_S_MAX = 15.0
_LOOK_S = 0.02


class Watch:
    """A watch in a process of its own, known by its folder; it outlives the process that started it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @classmethod
    def start(
        cls,
        request: WatchRequest,
        directory: Path,
        *,
        prefix: Sequence[str] = (),
        program: Sequence[str] = ("toolkit.probes.watch.process",),
    ) -> "Watch":
        """Starts a watch and returns once every method runs; `prefix` is a command that enters a lab's host.

        `program` is the module that becomes the watch, and what it is told besides the folder, its first argument.

        The folder is made when it is missing and must hold no watch yet. Raises RefusedError (a watch is or was
        there), PermissionDeniedError, InputError, UnreachableError (no route), StorageError.
        """
        directory = directory.absolute()
        ours = not directory.exists()
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise folder.not_kept(directory / folder.REQUEST, error) from error
        if (directory / folder.REQUEST).exists():
            raise RefusedError(
                f"there is a watch in {directory} already", next_move="Give every watch a folder of its own."
            )
        folder.keep(directory / folder.REQUEST, request.model_dump_json(indent=2) + "\n")
        with (directory / folder.LOG).open("ab") as log:
            try:
                done = subprocess.run(
                    [*prefix, sys.executable, "-m", program[0], str(directory), *program[1:]],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    check=False,
                    timeout=_START_S_MAX,
                )
            except (subprocess.TimeoutExpired, OSError) as error:
                raise UnknownStateError(
                    "the watch did not say that it runs",
                    why=words_of(error),
                    next_move=f"See {directory / folder.LOG}.",
                ) from error
        if done.returncode != 0:
            # it saw nothing: the folder may be used for another try, and goes when it was made for this one
            folder.clear_unstarted(directory)
            if ours:
                with suppress(OSError):
                    directory.rmdir()
            raise _told(done.stdout, directory)
        return cls(directory)

    @classmethod
    def adopt(cls, directory: Path) -> "Watch":
        """A watch found by its folder, running or ended, e.g. after its parent was killed; raises InputError."""
        folder.read_request(directory)
        if not (directory / folder.STARTED).exists():
            raise InputError(f"the watch in {directory} never started", next_move=f"See {directory / folder.LOG}.")
        return cls(directory.absolute())

    @property
    def running(self) -> bool:
        """Whether it watches at this moment."""
        return folder.is_running(self.directory)

    @property
    def pid(self) -> int:
        """Its supervisor's process; meaningful only while it is running."""
        return int(json.loads((self.directory / folder.STARTED).read_text(encoding="utf-8"))["pid"])

    def result(self) -> WatchResult:
        """What was seen so far (up to the last fraction of a second while it runs)."""
        return folder.read_result(self.directory)

    def stop(self) -> WatchResult:
        """Ends it, waits for answers that are on their way (at most the timeout), and returns what was seen.

        Harmless when it has ended already. Raises UnknownStateError when it does not end.
        """
        patience_s = _STOP_S_MAX + self.result().request.timeout_ms / 1000.0
        (self.directory / folder.STOP).touch()
        deadline = time.monotonic() + patience_s
        while self.running:
            if time.monotonic() > deadline:
                raise UnknownStateError(
                    f"the watch in {self.directory} does not end",
                    next_move=f"End process {self.pid} and its children, then read the result again.",
                )
            time.sleep(_LOOK_S)
        folder.join_capture(self.directory)
        return self.result()

    def kill(self) -> None:
        """Ends it the hard way, as a crash would; what it wrote stays."""
        if self.running:
            os.kill(self.pid, signal.SIGKILL)


def _told(output: bytes, directory: Path) -> ReboxError:
    """The error that the watch's process wrote down, as itself."""
    try:
        said = json.loads(output)
        kind = getattr(errors, said["class"])
    except (ValueError, KeyError, AttributeError):
        return UnknownStateError("the watch did not start", next_move=f"See {directory / folder.LOG}.")
    error: ReboxError = kind(said["what"], where=said["where"], why=said["why"], next_move=said["next_move"])
    return error
