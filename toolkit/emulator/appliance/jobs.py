"""Jobs: work that outlives the call that began it; how it ended is kept over restarts."""

import logging
import secrets
import threading
import time
from collections.abc import Callable

from toolkit.emulator.appliance.database import Database, Row
from toolkit.emulator.appliance.facts import Job, JobError
from toolkit.emulator.appliance.refusal import Refusal, conflict, not_found
from toolkit.emulator.appliance.states import JOB_TRANSITIONS, JobEvent, JobState

_log = logging.getLogger(__name__)
_WRITE_SECONDS = 0.25


class JobHandle:
    """What a job's work is given to say how far it is."""

    def __init__(self, job: Job, write: Callable[[Job], None]) -> None:
        self.job = job
        self._write = write
        self._written = time.monotonic()

    def report(self, phase: str, progress: float, *, bytes_done: int = 0, bytes_total: int = 0) -> None:
        """`progress` runs from 0 to 1; written down at each new phase and four times a second."""
        new_phase = phase != self.job.phase
        self.job = self.job.model_copy(
            update={"phase": phase, "progress": progress, "bytes_done": bytes_done, "bytes_total": bytes_total}
        )
        if new_phase or time.monotonic() - self._written >= _WRITE_SECONDS:
            self._written = time.monotonic()
            self._write(self.job)


class Jobs:
    """One job at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._starting = threading.Lock()

    def start(self, kind: str, work: Callable[[JobHandle], None]) -> Job:
        """Runs `work` in a thread of its own; a Refusal it raises becomes the job's error. 409 `conflict`."""
        with self._starting:
            self.refuse_if_running()
            job = Job(
                id=secrets.token_hex(8),
                kind=kind,
                state=JobState.RUNNING,
                phase="starting",
                progress=0.0,
                bytes_done=0,
                bytes_total=0,
                error=None,
            )
            self._write(job)
        handle = JobHandle(job, self._write)
        threading.Thread(target=self._run, args=(handle, work), name=f"job {kind}", daemon=True).start()
        return job

    def refuse_if_running(self) -> None:
        """409 `conflict` while a job runs."""
        running = self._database.row("SELECT kind FROM jobs WHERE state = ?", (JobState.RUNNING,))
        if running is not None:
            raise conflict(f"The box is busy: {running['kind']} is running. Wait until it has ended.")

    def get(self, job_id: str) -> Job:
        """The job as last written down; 404."""
        row = self._database.row("SELECT * FROM jobs WHERE id = ?", (job_id,))
        if row is None:
            raise not_found(f"job {job_id}")
        return _job(row)

    def interrupt_all(self) -> None:
        """At power-on: what was running has failed."""
        for row in self._database.rows("SELECT * FROM jobs WHERE state = ?", (JobState.RUNNING,)):
            error = JobError(error="interrupted", message="The box went off meanwhile; start it again.")
            self._end(_job(row), JobEvent.INTERRUPTED, error)

    def _run(self, handle: JobHandle, work: Callable[[JobHandle], None]) -> None:
        try:
            work(handle)
        except Refusal as refusal:
            self._end(handle.job, JobEvent.BROKE, JobError(error=refusal.code, message=refusal.message))
        except Exception:
            _log.exception("job %s broke", handle.job.kind)
            error = JobError(error="internal", message="The box ran into an error of its own; its console has more.")
            self._end(handle.job, JobEvent.BROKE, error)
        else:
            done = handle.job.model_copy(update={"phase": "complete", "progress": 1.0})
            self._end(done, JobEvent.ENDED, None)

    def _end(self, job: Job, event: JobEvent, error: JobError | None) -> None:
        state = JOB_TRANSITIONS[job.state, event]
        self._write(job.model_copy(update={"state": state, "error": error}))

    def _write(self, job: Job) -> None:
        with self._database.change() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    job.id,
                    job.kind,
                    job.state,
                    job.phase,
                    job.progress,
                    job.bytes_done,
                    job.bytes_total,
                    job.error.model_dump_json() if job.error else None,
                ),
            )


def _job(row: Row) -> Job:
    error = JobError.model_validate_json(row["error"]) if row["error"] else None
    return Job.model_validate({**row, "error": error})
