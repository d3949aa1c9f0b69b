"""As much of a box as its update client sees, on a real folder; also run as a process that is killed in an install.

`python -m tests.emulator.appliance.update_box FOLDER URL UPDATE PHASE` installs UPDATE, prints `PHASE` when it gets
there, and then stands still until it is killed.
"""

import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import JsonValue

from toolkit.emulator.appliance.data_keys import DataKeys
from toolkit.emulator.appliance.facts import Job, JobError
from toolkit.emulator.appliance.protocols import JobProgress
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.emulator.appliance.sealed_files import SealedFiles
from toolkit.emulator.appliance.states import JobState
from toolkit.emulator.appliance.updates import InstallPace, Updates


class Clock:
    """The box's clock: the machine's, and so much off."""

    def __init__(self) -> None:
        self.off_by = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.off_by


@dataclass(frozen=True)
class Disk:
    folder: Path

    @property
    def updates(self) -> Path:
        return self.folder / "updates"

    @property
    def trust(self) -> Path:
        return self.folder / "trust"

    @property
    def files(self) -> SealedFiles:
        return SealedFiles(DataKeys(self.folder / "data.keys").current)

    def package(self, update_id: str) -> Path:
        return self.updates / "packages" / self.files.opaque(update_id)


class Versions:
    """Kept in one file, so that they outlive a killed process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            self._write({"base": "3.3.2", "site": None, "site_hostname": None})

    @property
    def base(self) -> str:
        return str(self._read()["base"])

    @property
    def site(self) -> str | None:
        return self._read()["site"]

    @property
    def site_hostname(self) -> str | None:
        return self._read()["site_hostname"]

    def set_base(self, version: str) -> None:
        self._write({**self._read(), "base": version})

    def set_site(self, version: str, *, hostname: str, licences: int, licence_expiry: str) -> None:
        self._write({**self._read(), "site": version, "site_hostname": hostname})

    def _read(self) -> dict[str, str | None]:
        document: dict[str, str | None] = json.loads(self._path.read_text())
        return document

    def _write(self, document: dict[str, str | None]) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(document))
        new.replace(self._path)


@dataclass
class Progress:
    """What a job has reported; `at_phase` is called whenever a phase is reported."""

    at_phase: Callable[[str], None] = lambda phase: None
    reports: list[tuple[str, float, int, int]] = field(default_factory=list)

    def report(self, phase: str, progress: float, *, bytes_done: int = 0, bytes_total: int = 0) -> None:
        self.reports.append((phase, progress, bytes_done, bytes_total))
        self.at_phase(phase)


class Jobs:
    """Runs one job at a time in a thread; `wait` joins it and says how it ended."""

    def __init__(self) -> None:
        self.progress = Progress()
        self._thread: threading.Thread | None = None
        self._error: JobError | None = None

    def start(self, kind: str, work: Callable[[JobProgress], None]) -> Job:
        self._error = None
        self._thread = threading.Thread(target=self._run, args=(work,))
        self._thread.start()
        return self._job(kind, JobState.RUNNING)

    def _run(self, work: Callable[[JobProgress], None]) -> None:
        try:
            work(self.progress)
        except Refusal as refusal:
            self._error = JobError(error=refusal.code, message=refusal.message)

    def wait(self) -> Job:
        assert self._thread is not None
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()
        return self._job("install", JobState.FAILED if self._error else JobState.COMPLETE)

    def _job(self, kind: str, state: JobState) -> Job:
        return Job(id="1", kind=kind, state=state, phase="", progress=0, bytes_done=0, bytes_total=0, error=self._error)


class Faults:
    def __init__(self) -> None:
        self.planted: set[str] = set()

    def is_set(self, name: str) -> bool:
        return name in self.planted


class UpdateBox:
    """A box on a folder; `story` is what happened to it, in order."""

    def __init__(self, folder: Path, url: str | None) -> None:
        folder.mkdir(exist_ok=True)
        self.disk = Disk(folder)
        keys = DataKeys(folder / "data.keys")
        if not keys.exist():
            keys.make()
        self.disk.trust.mkdir(exist_ok=True)
        self.clock = Clock()
        self.versions = Versions(folder / "versions.json")
        self.jobs = Jobs()
        self.faults = Faults()
        self.update_server = url
        self.addresses: dict[str, tuple[str, ...]] = {"updates.example.net": ("127.0.0.1",)}
        self.story: list[str] = []
        self.updates = Updates(self, pace=InstallPace(seconds_fixed=0.0, bytes_per_second=1e12))

    def trust(self, root_file: Path, ca_file: Path) -> None:
        """What is done at manufacture."""
        shutil.copy(root_file, self.disk.trust / "tuf-root.json")
        shutil.copy(ca_file, self.disk.trust / "ca.pem")

    @contextmanager
    def installing(self) -> Iterator[None]:
        self.story.append(f"installing, site {self.versions.site}")
        try:
            yield
        finally:
            self.story.append(f"running, site {self.versions.site}")

    def restart_services(self) -> None:
        self.story.append("services restarted")

    def resolve(self, hostname: str) -> tuple[str, ...]:
        if hostname not in self.addresses:
            raise Refusal(502, "update_server", f"{hostname} cannot be resolved.")
        return self.addresses[hostname]

    def record(self, by: str, action: str, **detail: JsonValue) -> None:
        self.story.append(f"{by} {action}")

    def snapshot(self) -> dict[str, bytes]:
        """Every file on the box's disk that is not a cache of verified metadata."""
        return {
            str(path.relative_to(self.disk.folder)): self._content(path)
            for path in sorted(self.disk.folder.rglob("*"))
            if path.is_file() and "metadata" not in path.parts
        }

    def _content(self, path: Path) -> bytes:
        """What a file says: encrypted anew, the same looks different."""
        is_sealed = path.parent == self.disk.updates
        return self.disk.files.read(path, f"updates/{path.name}") if is_sealed else path.read_bytes()


def _install_and_stand_still(folder: Path, url: str, update_id: str, phase: str) -> None:
    box = UpdateBox(folder, url)
    stand_still = threading.Event()

    def at_phase(reached: str) -> None:
        if reached == phase:
            sys.stdout.write(f"{phase}\n")
            sys.stdout.flush()
            stand_still.wait()

    box.jobs.progress = Progress(at_phase)
    box.updates.install(update_id, "test")
    box.jobs.wait()


if __name__ == "__main__":
    _install_and_stand_still(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4])
