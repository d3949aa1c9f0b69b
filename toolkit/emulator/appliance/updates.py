"""*Support > Updates*: checks, lists, takes EULA signatures and installs (requirements U1, U2, U7, U10, A5)."""

import errno
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, TypeAdapter

from toolkit.emulator.appliance.facts import Job, Update
from toolkit.emulator.appliance.protocols import BoxForUpdates, JobProgress
from toolkit.emulator.appliance.refusal import Refusal, invalid, not_found
from toolkit.emulator.appliance.update_package import PackageDamagedError, unpack
from toolkit.emulator.appliance.update_rules import Installed, Package, is_installed, missing, offered

if TYPE_CHECKING:
    from toolkit.emulator.appliance.update_client import UpdateClient


class Signature(BaseModel):
    """A signed EULA: which text, by whom, when (by the box's clock)."""

    sha256: str
    signed_by: str
    time: datetime


_PACKAGES = TypeAdapter(tuple[Package, ...])
_SIGNATURES = TypeAdapter(dict[str, Signature])


@dataclass(frozen=True)
class InstallPace:
    """How long installing takes: the more data the box stores, the longer, but never more than `seconds_max`."""

    seconds_fixed: float = 0.1
    bytes_per_second: float = 500e6
    seconds_max: float = 5.0

    def seconds(self, stored_bytes: int) -> float:
        """The time for a box that stores so much."""
        return min(self.seconds_fixed + stored_bytes / self.bytes_per_second, self.seconds_max)


class Updates:
    """The service behind the page and the API; `stored_bytes` tells how much the box stores (A5).

    What it keeps lies encrypted in the box's updates folder: `offers` (the last check), `signatures`, `metadata` (what
    was verified last), `incoming/` (a running download) and `packages/` (what is installed, unpacked).
    """

    def __init__(
        self,
        box: BoxForUpdates,
        *,
        stored_bytes: Callable[[], int] = lambda: 0,
        pace: InstallPace = InstallPace(),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._box = box
        self._stored_bytes = stored_bytes
        self._pace = pace
        self._sleep = sleep
        self._one_at_a_time = threading.Lock()

    def check(self, by: str) -> Sequence[Update]:
        """Asks the update server; Refusal 502 `update_server`, 409 `clock`."""
        self._keep_offers(self._client().packages())
        updates = self.list()
        self._box.record(by, "check-for-updates", found=len(updates))
        return updates

    def list(self) -> Sequence[Update]:
        """What the last check found and the box does not have, judged against the versions of now."""
        return [self._entry(package) for package in offered(self._offers(), self._installed())]

    @property
    def checked(self) -> bool:
        """Whether the update server has ever been asked: before that an empty list says nothing."""
        return (self._folder / "offers").exists()

    def eula(self, update_id: str) -> str:
        """The text to be signed, fetched anew; Refusal 404, 502 `update_server`, 409 `clock`."""
        self._package(update_id)
        client = self._client()
        self._keep_offers(client.packages())
        package = self._package(update_id)
        if package.eula is None:
            raise not_found(f"licence agreement for {update_id}: it needs none")
        return client.text(package.eula.target)

    def accept(self, update_id: str, sha256: str, signed_by: str, by: str) -> None:
        """Signs the text whose hash is given; Refusal 404, 409 `eula_changed`, 422 when nobody signs."""
        package = self._package(update_id)
        if not signed_by.strip():
            raise invalid("Say who signs the licence agreement.")
        if package.eula is None:
            raise not_found(f"licence agreement for {update_id}: it needs none")
        if package.eula.sha256 != sha256:
            raise Refusal(
                409,
                "eula_changed",
                f"The text that was signed is not the present licence agreement of {update_id}: read it again.",
            )
        signature = Signature(sha256=sha256, signed_by=signed_by.strip(), time=self._box.clock.now())
        signatures = {**self._signatures(), update_id: signature}
        self._keep("signatures", _SIGNATURES.dump_json(signatures, indent=1))
        self._box.record(by, "sign-eula", update=update_id, sha256=sha256, signed_by=signature.signed_by)

    def install(self, update_id: str, by: str) -> Job:
        """Downloads, verifies and installs; Refusal 404, 409 `eula_required`, `prerequisite`, `installed`."""
        self._refuse_unready(self._package(update_id))
        job = self._box.jobs.start("install", lambda progress: self._install(update_id, progress))
        self._box.record(by, "install-update", update=update_id, job=job.id)
        return job

    def recover(self) -> None:
        """Clears away what an interrupted install left behind: called at power-on."""
        shutil.rmtree(self._folder / "incoming", ignore_errors=True)
        self._remove_other_packages()

    # what is kept

    @property
    def _folder(self) -> Path:
        return self._box.disk.updates

    def _offers(self) -> Sequence[Package]:
        content = self._kept("offers")
        return () if content is None else _PACKAGES.validate_json(content)

    def _keep_offers(self, packages: Sequence[Package]) -> None:
        self._keep("offers", _PACKAGES.dump_json(tuple(packages), indent=1))

    def _signatures(self) -> dict[str, Signature]:
        content = self._kept("signatures")
        return {} if content is None else _SIGNATURES.validate_json(content)

    def _keep(self, name: str, content: bytes) -> None:
        with _disk(name), self._one_at_a_time:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._box.disk.files.write(self._folder / name, f"updates/{name}", content)

    def _kept(self, name: str) -> bytes | None:
        try:
            return self._box.disk.files.read(self._folder / name, f"updates/{name}")
        except FileNotFoundError:
            return None

    # what holds now

    def _installed(self) -> Installed:
        return Installed(base=self._box.versions.base, site=self._box.versions.site)

    def _package(self, update_id: str) -> Package:
        for package in self._offers():
            if package.id == update_id:
                return package
        raise not_found(f"update {update_id}: check for updates first")

    def _is_signed(self, package: Package) -> bool:
        signature = self._signatures().get(package.id)
        return package.eula is None or (signature is not None and signature.sha256 == package.eula.sha256)

    def _entry(self, package: Package) -> Update:
        reason = missing(package, self._installed())
        return Update(
            id=package.id,
            kind=package.kind,
            version=package.version,
            title=package.title,
            size_bytes=package.size_bytes,
            installable=reason is None,
            reason=reason,
            eula_required=package.eula is not None,
            eula_accepted=package.eula is not None and self._is_signed(package),
            hostname=package.hostname,
            licences=package.licences,
            licence_expiry=package.licence_expiry.isoformat() if package.licence_expiry else None,
        )

    def _refuse_unready(self, package: Package) -> None:
        installed = self._installed()
        if is_installed(package, installed):
            raise Refusal(409, "installed", f"This box has {installed.of(package.kind)}: {package.id} is not newer.")
        reason = missing(package, installed)
        if reason is not None:
            raise Refusal(409, "prerequisite", reason)
        if not self._is_signed(package):
            raise Refusal(409, "eula_required", f"The licence agreement of {package.id} must be signed first.")

    def _client(self) -> "UpdateClient":
        # python-tuf and its HTTP client load for a third of a second: a box that starts need not wait for them
        from toolkit.emulator.appliance.update_client import KeptFiles, UpdateClient, UpdateSource  # noqa: PLC0415

        url, trust = self._box.update_server, self._box.disk.trust
        source = UpdateSource((url or "").rstrip("/"), trust / "tuf-root.json", trust / "ca.pem")
        if url is None or not source.root_file.exists() or not source.ca_file.exists():
            raise Refusal(
                502, "update_server", "This box was made without an update server, or without the keys to trust one."
            )
        kept = KeptFiles(self._folder, self._box.disk.files)
        return UpdateClient(source, kept, self._box.clock.now, self._box.resolve, self._one_at_a_time)

    # the work of a job

    def _install(self, update_id: str, progress: JobProgress) -> None:
        try:
            with _disk(update_id):
                package = self._fetch_and_unpack(update_id, progress)
            with self._box.installing():
                self._work(progress)
                self._commit(package)
                progress.report("restarting services", 0.98)
                self._box.restart_services()
        finally:
            self._remove_other_packages()

    def _fetch_and_unpack(self, update_id: str, progress: JobProgress) -> Package:
        """Everything that can fail by somebody else's fault, while the site still serves."""
        client = self._client()
        progress.report("checking", 0.0)
        self._keep_offers(client.packages())
        package = self._package(update_id)
        self._refuse_unready(package)
        total = package.size_bytes

        def downloaded(count: int) -> None:
            progress.report("downloading", 0.5 * count / total, bytes_done=count, bytes_total=total)

        def unpacked(fraction: float) -> None:
            progress.report("unpacking", 0.5 + 0.1 * fraction, bytes_done=total, bytes_total=total)

        archive = client.archive(package.target, downloaded)
        files = self._box.disk.files
        folder = self._folder / "packages" / files.opaque(package.id)
        try:
            with archive.open(files) as content:
                unpack(content, folder, files, unpacked, kind=package.kind, version=package.version)
        except PackageDamagedError as error:
            raise Refusal(
                502, "update_server", f"{package.id} was packed wrongly: {error}. Nothing was changed; tell support."
            ) from error
        finally:
            archive.path.unlink(missing_ok=True)
        return package

    def _work(self, progress: JobProgress) -> None:
        """The migration of the stored data, which takes the longer the more there is (A5)."""
        seconds = self._pace.seconds(self._stored_bytes())
        steps = max(1, min(100, round(seconds / 0.05)))
        for step in range(steps):
            progress.report("installing", 0.6 + 0.38 * step / steps)
            self._sleep(seconds / steps)
        if self._box.faults.is_set("install-fails"):
            raise Refusal(500, "install_failed", "The installation broke off. Nothing was changed; call support.")

    def _commit(self, package: Package) -> None:
        """From here on the box has the new version; one transaction."""
        if package.kind == "base":
            self._box.versions.set_base(package.version)
            return
        expiry = package.licence_expiry.isoformat() if package.licence_expiry else ""
        self._box.versions.set_site(
            package.version, hostname=package.hostname or "", licences=package.licences or 0, licence_expiry=expiry
        )

    def _remove_other_packages(self) -> None:
        """Removes what is not installed: older packages, and those of an install that did not come to its end."""
        packages = self._folder / "packages"
        opaque = self._box.disk.files.opaque
        present = {opaque(name) for name in (f"Base-{self._box.versions.base}", self._box.versions.site or "")}
        for folder in packages.iterdir() if packages.exists() else ():
            if folder.name not in present:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _disk(what: str) -> Iterator[None]:
    """Turns a full disk into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise Refusal(
            507, "disk_full", f"The box's disk is full: {what} was not stored. Nothing was changed; free space first."
        ) from error
