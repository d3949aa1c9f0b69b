"""A durable sequence: named pieces of work done in order, each once, across kill -9 and upgrades; DBOS lives here.

DBOS keeps what each piece returned; a sequence carried on does not repeat a piece that has returned `done`. Four
decisions make that safe:

- Every process is a DBOS application version and an executor of its own. So DBOS never recovers anything by itself:
  neither the live run of another process, nor one that was started by an older or newer toolkit.
- A sequence is carried on by forking its last attempt behind the last piece that was done. It is the same path after a
  kill, a blocked gate, a failure and an upgrade of the toolkit.
- The pieces run on the thread that called us; DBOS's own thread only keeps the books. Drivers, network namespaces and
  Ctrl-C then work as in any program.
- What is abandoned (Ctrl-C, a full disk) leaves DBOS's thread by an exception that DBOS does not record, just as if
  the process had been killed.
"""

import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowHandle
from pydantic import JsonValue

from toolkit.engine.log import LOGGER
from toolkit.model.errors import InternalError, ReboxError, StorageError

Kept = dict[str, JsonValue]
"""What a piece of work returns: JSON, with `done` saying whether the sequence goes on behind it."""

_APPLICATION = "rebox"
_QUEUE = "rebox"
_PICK_UP_SECONDS = 0.02
_IDLE_SECONDS = 5.0
_PICKED_UP_WITHIN_SECONDS = 60.0
_LEAVE_SECONDS = 10.0


@dataclass(frozen=True)
class Work:
    """One piece: its name, and what does it."""

    name: str
    do: Callable[[], Kept]


Settled = Callable[[str, Kept, bool], None]
"""Told after each piece is kept: its name, what it returned, and whether it was done just now (or long ago)."""


class _AbandonedError(BaseException):
    """Leaves DBOS's thread without a trace; no Exception, because those are recorded as the work's end."""


class DurableStore:
    """DBOS, launched for one run and shut down cleanly after it; a process has one at a time."""

    def __init__(self, database_url: str, process_name: str, place: Path) -> None:
        self._url = database_url
        self._process = process_name
        self._place = place

    def __enter__(self) -> Self:
        try:
            self._launch()
        except ReboxError:
            raise
        except Exception as error:
            DBOS.destroy()
            raise self._explain(error) from None
        return self

    def __exit__(self, *_: object) -> None:
        DBOS.destroy()

    def _launch(self) -> None:
        serializer = DBOSPortableJSONSerializer()
        DBOS.migrate(self._url)
        # before the launch, because the worker reads the interval once and then sleeps for it
        client = DBOSClient(system_database_url=self._url, serializer=serializer)
        try:
            client.register_queue(_QUEUE, polling_interval_sec=_PICK_UP_SECONDS, on_conflict="always_update")
        finally:
            client.destroy()
        DBOS(
            config=DBOSConfig(
                name=_APPLICATION,
                system_database_url=self._url,
                application_version=self._process,
                executor_id=self._process,
                enable_otlp=False,
                serializer=serializer,
                notification_listener_polling_interval_sec=0.05,
            )
        )
        DBOS.launch()

    def carry_through(self, sequence: str, work: Sequence[Work], settled: Settled) -> None:
        """Does what is not done yet of the sequence, in order, until a piece is not `done` or all are.

        Raises what a piece raises; the sequence can then be carried on later. StorageError when the database cannot be
        written, InternalError when it cannot be understood.
        """
        clerk = _Clerk(tuple(work), settled)
        _desk.append(clerk)
        try:
            handle = self._begin(sequence)
            clerk.serve()
            handle.get_result(polling_interval_sec=_PICK_UP_SECONDS)
        except ReboxError:
            raise
        except Exception as error:
            raise self._explain(error) from None
        finally:
            _desk.remove(clerk)

    def _begin(self, sequence: str) -> WorkflowHandle[Any]:
        last = 0
        while DBOS.get_workflow_status(f"{sequence}#{last + 1}") is not None:
            last += 1
        with SetWorkflowID(f"{sequence}#{last + 1}"):
            if last == 0:
                return DBOS.start_workflow(_sequence)
            previous = f"{sequence}#{last}"
            steps = DBOS.list_workflow_steps(previous)
            done = 0
            while done < len(steps) and _is_done(steps[done]["output"]):
                done += 1
            return DBOS.fork_workflow(previous, done + 1, application_version=self._process, queue_name=_QUEUE)

    def _explain(self, error: Exception) -> ReboxError:
        LOGGER.error("the durable engine failed", exc_info=error)
        if "disk is full" in str(error) or "No space left" in str(error):
            return StorageError(
                "the run's database cannot be written",
                where=str(self._place),
                why="the disk is full",
                next_move=f"Free space on the disk that holds {self._place}, then resume the run.",
            )
        return InternalError(
            "the durable engine failed",
            where=str(self._place),
            why=type(error).__name__,
            next_move="See engine.log there, then resume the run.",
        )


class _Clerk:
    """Hands the work from DBOS's thread to the caller's and the results back."""

    def __init__(self, work: tuple[Work, ...], settled: Settled) -> None:
        self._work = work
        self._settled = settled
        self._requests: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]] | None] = queue.SimpleQueue()

    def drive(self) -> None:
        """On DBOS's thread: goes through the work; what was done before comes back from the database."""
        try:
            self._ask(_poll_rarely)
            for piece in self._work:
                done_now: list[bool] = []

                def do(piece: Work = piece, done_now: list[bool] = done_now) -> Kept:
                    done_now.append(True)
                    kept: Kept = self._ask(piece.do)
                    return kept

                kept = DBOS.run_step({"name": piece.name}, do)
                self._ask(partial(self._settled, piece.name, kept, bool(done_now)))
                if not kept["done"]:
                    return
        finally:
            self._requests.put(None)

    def serve(self) -> None:
        """On the caller's thread: does what is asked until the sequence is through; raises what the work raises."""
        try:
            request = self._requests.get(timeout=_PICKED_UP_WITHIN_SECONDS)
            while request is not None:
                action, answer = request
                try:
                    value = action()
                except BaseException:
                    answer.put(_AbandonedError())
                    raise
                answer.put(value)
                request = self._requests.get()
        except BaseException:
            self._let_go()
            raise

    def _ask(self, action: Callable[[], Any]) -> Any:
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._requests.put((action, answer))
        value = answer.get()
        if isinstance(value, _AbandonedError):
            raise value
        return value

    def _let_go(self) -> None:
        """Sends DBOS's thread away, so that nothing of this run moves any more."""
        try:
            while (request := self._requests.get(timeout=_LEAVE_SECONDS)) is not None:
                request[1].put(_AbandonedError())
        except queue.Empty:
            LOGGER.error("the durable engine's thread did not leave")


def _is_done(output: object) -> bool:
    return isinstance(output, dict) and output.get("done") is True


def _poll_rarely() -> None:
    # picked up: from here on there is nothing to pick up, and polling would only disturb the packet watch
    waiting = DBOS.retrieve_queue(_QUEUE)
    if waiting is not None:
        waiting.set_polling_interval_sec(_IDLE_SECONDS)


_desk: list[_Clerk] = []


@DBOS.workflow(name="rebox.sequence", max_recovery_attempts=None)
def _sequence() -> None:
    _desk[-1].drive()
