"""What the update client needs of the box, and what the API and the pages need of the update client."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from toolkit.emulator.appliance.facts import Job, Update
from toolkit.emulator.appliance.sealed_files import SealedFiles


class BoxClock(Protocol):
    """The box's own idea of the time; settable, so it can be wrong."""

    def now(self) -> datetime:
        """The time of day (UTC, aware)."""
        ...


class DiskFolders(Protocol):
    """Where on the box's disk an update may keep things; `trust` outlives a factory reset."""

    @property
    def updates(self) -> Path:
        """Metadata cache, downloads and the list of the last check: sealed files, with names that tell nothing."""
        ...

    @property
    def files(self) -> SealedFiles:
        """How what lies in `updates` is encrypted."""
        ...

    @property
    def trust(self) -> Path:
        """`tuf-root.json` and `ca.pem`, laid at manufacture; either may be missing. Outlives a reset."""
        ...


class SoftwareVersions(Protocol):
    """The two layers; `set` is one transaction: all of it or nothing."""

    @property
    def base(self) -> str:
        """Base, e.g. "3.3.2"."""
        ...

    @property
    def site(self) -> str | None:
        """The site package, e.g. "Bomgar-12.2.0"; None before the first."""
        ...

    @property
    def site_hostname(self) -> str | None:
        """The name users reach the site by; comes with the first site package."""
        ...

    def set_base(self, version: str) -> None:
        """Base is now of this version, e.g. "3.3.2"."""
        ...

    def set_site(self, version: str, *, hostname: str, licences: int, licence_expiry: str) -> None:
        """The site package is now of this version, e.g. "Bomgar-12.2.0"; the first one brings the site's accounts."""
        ...


class JobProgress(Protocol):
    """What a job's work is given to say how far it is."""

    def report(self, phase: str, progress: float, *, bytes_done: int = 0, bytes_total: int = 0) -> None:
        """`progress` runs from 0 to 1; cheap enough to call for every chunk."""
        ...


class JobList(Protocol):
    """Starts work that outlives the call, and remembers how it ended."""

    def start(self, kind: str, work: Callable[[JobProgress], None]) -> Job:
        """Runs `work` in a thread of its own and returns at once; a Refusal it raises becomes the job's error.

        Only one job runs at a time: 409 `conflict` otherwise. A job that was running when the box crashed is marked
        failed (`interrupted`) at power-on, before `Updates.recover` is called.
        """
        ...


class FaultList(Protocol):
    """Faults that a test or a rehearsal has planted."""

    def is_set(self, name: str) -> bool:
        """Whether the fault is planted now; read from the disk each time."""
        ...


class BoxForUpdates(Protocol):
    """The box, as the update client sees it."""

    @property
    def disk(self) -> DiskFolders:
        """Its disk."""
        ...

    @property
    def clock(self) -> BoxClock:
        """Its clock."""
        ...

    @property
    def versions(self) -> SoftwareVersions:
        """Its software."""
        ...

    @property
    def jobs(self) -> JobList:
        """Its jobs."""
        ...

    @property
    def faults(self) -> FaultList:
        """Planted faults."""
        ...

    @property
    def update_server(self) -> str | None:
        """The update server's URL, e.g. "https://update.example.net"; None: none was given at manufacture."""
        ...

    def installing(self) -> AbstractContextManager[None]:
        """While inside, the box's state is `installing`: the API and the site answer 503, health 500."""
        ...

    def restart_services(self) -> None:
        """Closes every listener and connection for a moment and opens the listeners again; returns when they are."""
        ...

    def resolve(self, hostname: str) -> tuple[str, ...]:
        """The addresses of a name by the box's own DNS servers, else the system's; Refusal 502 `update_server`."""
        ...

    def record(self, by: str, action: str, **detail: JsonValue) -> None:
        """Writes one line of the audit."""
        ...


class UpdateService(Protocol):
    """*Support > Updates*: what `toolkit.emulator.appliance.updates.Updates(box: BoxForUpdates)` offers.

    `by` is who asks, for the audit. Every method raises Refusal with the codes of docs/appliance-api.md.
    """

    def check(self, by: str) -> Sequence[Update]:
        """Asks the update server; 502 `update_server`, 409 `clock`."""
        ...

    def list(self) -> Sequence[Update]:
        """What the last check found, judged against the versions of now."""
        ...

    @property
    def checked(self) -> bool:
        """Whether the update server has ever been asked."""
        ...

    def eula(self, update_id: str) -> str:
        """The text to be signed; 404."""
        ...

    def accept(self, update_id: str, sha256: str, signed_by: str, by: str) -> None:
        """Signs the text whose hash is given; 409 `eula_changed`."""
        ...

    def install(self, update_id: str, by: str) -> Job:
        """Downloads, verifies and installs; 409 `eula_required`, `prerequisite`, `installed`."""
        ...

    def recover(self) -> None:
        """Called at power-on: clears away what an interrupted install left behind."""
        ...
