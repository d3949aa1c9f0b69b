"""Talks to the update server and believes only what The Update Framework has verified, by the box's own clock (U1)."""

import io
import ipaddress
import json
import shutil
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import httpx
from cryptography import x509
from pydantic import ValidationError
from tuf.api import exceptions as tuf_errors
from tuf.api.metadata import Metadata, Targets, Timestamp  # type: ignore[attr-defined]  # exported, not declared so
from tuf.api.serialization import DeserializationError
from tuf.ngclient import FetcherInterface, Updater  # type: ignore[attr-defined]  # exported, not declared so

from toolkit.emulator.appliance.refusal import Refusal
from toolkit.emulator.appliance.sealed_files import SealedFiles
from toolkit.emulator.appliance.update_rules import Package
from toolkit.model.errors import words_of

_CHUNK = 1 << 16
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: OpenSSL asks the machine's clock; a box has its own and asks that itself."""
_TOLERANCE = timedelta(minutes=5)
"""How far the clock may be behind the moment the metadata was signed."""


@dataclass(frozen=True)
class UpdateSource:
    """Where the server is, and what to trust there: laid on the box's disk when it was made."""

    url: str
    root_file: Path
    ca_file: Path


class KeptFiles:
    """What the client keeps on the box's disk, encrypted: the metadata that was verified last, and downloads.

    The Update Framework works on plain files: those lie in a temporary folder while it does, in memory.
    """

    def __init__(self, folder: Path, files: SealedFiles) -> None:
        self._metadata = folder / "metadata"
        self._incoming = folder / "incoming"
        self._files = files

    def lay_out(self, folder: Path) -> None:
        """Unpacks the metadata into a folder; nothing when there is none."""
        try:
            content = self._files.read(self._metadata, "updates/metadata")
        except FileNotFoundError:
            return
        for name, (kind, text) in json.loads(content).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "link":
                path.symlink_to(text)
            else:
                path.write_text(text, encoding="utf-8")

    def keep(self, folder: Path) -> None:
        """Packs what lies there now; raises OSError."""
        packed = {}
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if path.is_symlink():
                packed[name] = ("link", str(path.readlink()))
            elif path.is_file():
                packed[name] = ("file", path.read_text(encoding="utf-8"))
        self._metadata.parent.mkdir(parents=True, exist_ok=True)
        self._files.write(self._metadata, "updates/metadata", json.dumps(packed).encode())

    def take(self, download: Path) -> "Archive":
        """A download, from memory onto the disk; raises OSError."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        path = self._incoming / self._files.opaque(download.name)
        path.unlink(missing_ok=True)
        with download.open("rb") as source, self._files.writer(path, download.name) as file:
            shutil.copyfileobj(source, file, _CHUNK)
            file.finish()
        return Archive(path, download.name)


class Archive(NamedTuple):
    """A download on the disk, and what it is called."""

    path: Path
    name: str

    def open(self, files: SealedFiles) -> io.BufferedReader:
        """Its content."""
        return io.BufferedReader(files.reader(self.path, self.name), _CHUNK)


class UpdateClient:
    """The vendor's repository as this box sees it; `kept` holds what was verified last, against rollback.

    Operations that share the lock wait for each other.
    """

    def __init__(
        self,
        source: UpdateSource,
        kept: KeptFiles,
        now: Callable[[], datetime],
        resolve: Callable[[str], Sequence[str]],
        one_at_a_time: threading.Lock,
    ) -> None:
        self._source = source
        self._kept = kept
        self._now = now
        self._resolve = resolve
        self._one_at_a_time = one_at_a_time

    def packages(self) -> list[Package]:
        """Fetches and verifies the newest metadata and returns every package in it.

        Raises Refusal: `clock` when the box's clock is why, else `update_server`.
        """
        with self._operation() as (_, updater, folder):
            updater.refresh()
            return _verified_packages(folder)

    def text(self, target: str) -> str:
        """Fetches a verified text; raises Refusal as `packages`."""
        with self._operation() as (_, updater, _folder):
            return self._download(updater, target).read_text("utf-8")

    def archive(self, target: str, progress: Callable[[int], None]) -> Archive:
        """Fetches a verified archive, telling the bytes that have come; the caller deletes it.

        Raises Refusal as `packages`, OSError when the disk refuses.
        """
        with self._operation() as (fetcher, updater, _folder):
            updater.refresh()
            fetcher.progress = progress
            return self._kept.take(self._download(updater, target))

    def _download(self, updater: Updater, target: str) -> Path:
        info = updater.get_targetinfo(target)
        if info is None:
            raise _not_believed(f"The update server no longer offers {target}.")
        return Path(updater.download_target(info))

    @contextmanager
    def _operation(self) -> Iterator[tuple["_Fetcher", Updater, Path]]:
        with (
            self._one_at_a_time,
            self._client() as client,
            tempfile.TemporaryDirectory(prefix="update-") as scratch,
        ):
            fetcher = _Fetcher(client, self._now, self._resolve)
            metadata = Path(scratch) / "metadata"
            metadata.mkdir()
            self._kept.lay_out(metadata)
            try:
                try:
                    updater = self._updater(metadata, fetcher, self._now())
                    yield fetcher, updater, metadata
                finally:
                    # also after a failure: what was verified up to there counts against rollback
                    self._kept.keep(metadata)
            except tuf_errors.ExpiredMetadataError as error:
                self._blame_expiry(metadata, fetcher, error)
            except (tuf_errors.RepositoryError, tuf_errors.DownloadError, DeserializationError) as error:
                raise _not_believed(_explain(error)) from error
            except httpx.HTTPError as error:
                raise _not_believed(_explain_connection(self._source.url, error)) from error
            except ValidationError as error:
                raise _not_believed(
                    "The update server's description of a package cannot be understood by this box."
                ) from error
            self._refuse_slow_clock(metadata)

    def _client(self) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self._source.ca_file))
        context.verify_flags = ssl.VerifyFlags(context.verify_flags | _NO_CHECK_TIME)
        return httpx.Client(
            verify=context,
            timeout=httpx.Timeout(10, connect=5),
            trust_env=False,
            headers={"Accept-Encoding": "identity"},
        )

    def _updater(self, metadata: Path, fetcher: "_Fetcher", now: datetime) -> Updater:
        incoming = metadata.parent / "incoming"
        for folder in (metadata, incoming):
            folder.mkdir(exist_ok=True)
        updater = Updater(
            str(metadata),
            f"{self._source.url}/metadata/",
            str(incoming),
            f"{self._source.url}/targets/",
            fetcher=fetcher,
            bootstrap=self._source.root_file.read_bytes(),
        )
        # python-tuf asks the machine's clock; this box has one of its own, which may be wrong and must then matter
        updater._trusted_set.reference_time = now
        return updater

    def _blame_expiry(self, metadata: Path, fetcher: "_Fetcher", error: Exception) -> NoReturn:
        """The same metadata is fine by the server's clock: then ours is wrong. Else it has really run out."""
        server_time = fetcher.server_time
        if server_time is not None and self._verifies_at(metadata, fetcher, server_time):
            raise _wrong_clock(self._now(), server_time) from error
        raise _not_believed(
            "The update server's signed metadata has expired: it may be held back by somebody on the way. "
            "Nothing was changed; try again later and tell support if it stays so.",
        ) from error

    def _verifies_at(self, metadata: Path, fetcher: "_Fetcher", moment: datetime) -> bool:
        with tempfile.TemporaryDirectory(prefix="update-") as scratch:
            copy = Path(scratch) / "metadata"
            shutil.copytree(metadata, copy, symlinks=True)
            try:
                self._updater(copy, fetcher, moment).refresh()
            except (tuf_errors.RepositoryError, tuf_errors.DownloadError, httpx.HTTPError):
                return False
            return True

    def _refuse_slow_clock(self, metadata: Path) -> None:
        """Signed metadata says when it was issued: a clock that is behind that moment is proven wrong."""
        timestamp = Metadata[Timestamp].from_file(str(metadata / "timestamp.json")).signed
        issued = timestamp.unrecognized_fields.get("issued")
        if issued is not None and (signed := datetime.fromisoformat(issued)) > self._now() + _TOLERANCE:
            raise _wrong_clock(self._now(), signed)


def _verified_packages(metadata: Path) -> list[Package]:
    targets = Metadata[Targets].from_file(str(metadata / "targets.json")).signed.targets
    descriptions = [
        {**info.custom, "target": name, "size_bytes": info.length} for name, info in targets.items() if info.custom
    ]
    return [Package.model_validate(description) for description in descriptions]


class _Fetcher(FetcherInterface):
    """Fetches over HTTPS and holds the server's certificate against the box's clock before any byte is used."""

    def __init__(
        self, client: httpx.Client, now: Callable[[], datetime], resolve: Callable[[str], Sequence[str]]
    ) -> None:
        self._client = client
        self._now = now
        self._resolve = resolve
        self._addresses: dict[str, tuple[str, ...]] = {}
        self.server_time: datetime | None = None
        self.progress: Callable[[int], None] | None = None

    def _fetch(self, url: str) -> Iterator[bytes]:
        with self._answer(httpx.URL(url)) as response:
            self.server_time = _date(response)
            self._check_certificate(response)
            if response.status_code != httpx.codes.OK:
                raise tuf_errors.DownloadHTTPError(f"HTTP status {response.status_code}", response.status_code)
            for chunk in response.iter_raw(_CHUNK):
                yield chunk
                if self.progress is not None:
                    self.progress(response.num_bytes_downloaded)

    @contextmanager
    def _answer(self, url: httpx.URL) -> Iterator[httpx.Response]:
        """The answer of the first of the name's addresses that can be connected to."""
        # the connection goes to the address, Host and TLS keep the name
        names = {"headers": {"Host": url.netloc.decode()}, "extensions": {"sni_hostname": url.host}}
        *others, last = self._addresses_of(url.host)
        for address in others:
            try:
                response = self._send(url.copy_with(host=address), names)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            break
        else:
            response = self._send(url.copy_with(host=last), names)
        try:
            yield response
        finally:
            response.close()

    def _send(self, url: httpx.URL, names: dict[str, Any]) -> httpx.Response:
        return self._client.send(self._client.build_request("GET", url, **names), stream=True)

    def _addresses_of(self, host: str) -> tuple[str, ...]:
        if host not in self._addresses:
            self._addresses[host] = (host,) if _is_address(host) else tuple(self._resolve(host))
        return self._addresses[host]

    def _check_certificate(self, response: httpx.Response) -> None:
        der = response.extensions["network_stream"].get_extra_info("ssl_object").getpeercert(True)
        certificate = x509.load_der_x509_certificate(der)
        if _valid_at(certificate, self._now()):
            return
        if self.server_time is not None and _valid_at(certificate, self.server_time):
            raise _wrong_clock(self._now(), self.server_time)
        raise _not_believed(
            f"The update server's TLS certificate is valid from {_stamp(certificate.not_valid_before_utc)} "
            f"to {_stamp(certificate.not_valid_after_utc)} only.",
        )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _valid_at(certificate: x509.Certificate, moment: datetime) -> bool:
    return certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc


def _date(response: httpx.Response) -> datetime | None:
    """The answer's Date header; used to explain a refusal, never to accept anything."""
    try:
        return parsedate_to_datetime(response.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _wrong_clock(own: datetime, other: datetime) -> Refusal:
    return Refusal(
        409,
        "clock",
        f"This box's clock is wrong: it says {_stamp(own)}, the update server says {_stamp(other)}. "
        "Correct it in Status > Basics, or give NTP servers in Networking > IP Configuration, and try again.",
    )


def _not_believed(message: str) -> Refusal:
    return Refusal(502, "update_server", message)


def _explain(error: Exception) -> str:
    match error:
        case tuf_errors.DownloadHTTPError():
            reason = f"it does not have a file that its metadata names (HTTP status {error.status_code})"
        case tuf_errors.UnsignedMetadataError():
            reason = "a signature is missing or wrong: its metadata was altered or signed by a stranger"
        case tuf_errors.BadVersionNumberError():
            reason = "rollback: it shows an older state than this box has seen before"
        case tuf_errors.LengthOrHashMismatchError():
            reason = "a file was truncated or altered: its size or hash is not what was signed"
        case tuf_errors.DownloadLengthMismatchError():
            reason = "a file is longer than what was signed"
        case DeserializationError():
            reason = "its metadata cannot be read: it is truncated or no metadata at all"
        case _:
            reason = words_of(error)
    return f"The update server was not believed: {reason}. Nothing was changed."


def _explain_connection(url: str, error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.RemoteProtocolError):
        return "The update server's answer was truncated. Nothing was changed; try again."
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"The update server's TLS certificate is not trusted at {url}: {error}."
    return f"The update server is unreachable at {url}: {words_of(error)}."
