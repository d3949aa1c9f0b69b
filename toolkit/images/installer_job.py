"""What an installer is to do on which machine, and a copy of the installer's ISO with this job inside."""

import ipaddress
import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    StringConstraints,
    field_serializer,
    model_validator,
)  # fmt: skip

from toolkit.images.iso9660 import find_file
from toolkit.images.iso_image import JOB_BYTES, JOB_FILE
from toolkit.model.errors import InputError, StorageError
from toolkit.storage.entries import sync_folder
from toolkit.storage.errors import storage_error

Mac = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$")]
Sha256 = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9a-fA-F]{64}$")]
Serial = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]


def _interface(text: str) -> str:
    return str(ipaddress.ip_interface(text))


def _address(text: str) -> str:
    return str(ipaddress.ip_address(text))


def _https(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or parts.hostname is None or parts.username is not None:
        raise ValueError("it must begin with https:// and hold no user name")
    # the installer knows no DNS server; who answers is told by the certificate
    ipaddress.ip_address(parts.hostname)
    return text


class Network(BaseModel):
    """The port that reports go through: its MAC, and its address with prefix length; without one it asks DHCP."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mac: Mac
    address: Annotated[str, AfterValidator(_interface)] | None = None
    gateway: Annotated[str, AfterValidator(_address)] | None = None


class CallHome(BaseModel):
    """Where the installer reports to: `token` is sent as bearer, once the peer has shown exactly this certificate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, AfterValidator(_https)]
    token: SecretStr
    certificate_sha256: Sha256

    @field_serializer("token")
    def _shown(self, token: SecretStr) -> str:
        return token.get_secret_value()


class InstallerJob(BaseModel):
    """One job; `install` and `wipe` name machine, ports and disk by what is printed on them, never by device name.

    `install` has one `disk_serial`, `wipe` all `disk_serials` that are to be wiped in one go (or one `disk_serial`), by
    `method` (docs/reset.md), read back as `verify` says. `signatures` names those that may be overwritten although
    others may need what bears them.
    By `job_id` a disk remembers what was done on it: an installation is not done twice.
    `macs` must all be in the machine. `image_sha256` is the raw image's (the appliance manifest's `sha256`), `seed` the
    box's order (docs/images.md), `authorized_keys` who may log in by SSH. `then` is what follows a job done; after one
    that was refused or failed the machine always goes off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_id: Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")] = Field(default_factory=lambda: uuid4().hex)
    action: Literal["install", "wipe", "inspect"] = "inspect"
    machine_serial: Serial | None = None
    macs: tuple[Mac, ...] = ()
    disk_serial: Serial | None = None
    disk_serials: tuple[Serial, ...] = ()
    method: Annotated[str, StringConstraints(pattern="^[a-z-]{1,40}$")] = "auto"
    verify: Literal["full", "sample"] = "full"
    signatures: tuple[Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_]{1,40}$")], ...] = ()
    image_sha256: Sha256 | None = None
    seed: dict[str, JsonValue] | None = None
    authorized_keys: tuple[str, ...] = ()
    network: Network | None = None
    report: CallHome | None = None
    then: Literal["power-off", "reboot"] = "power-off"

    @model_validator(mode="after")
    def _complete(self) -> "InstallerJob":
        needed = {"install": ("machine_serial", "macs", "disk_serial", "image_sha256"), "inspect": ()}
        disks = "disk_serial" if self.disk_serial else "disk_serials"
        for name in needed.get(self.action, ("machine_serial", "macs", disks)):
            if not getattr(self, name):
                raise ValueError(f"{self.action} needs {name}")
        if self.action != "install" and (self.seed is not None or self.image_sha256 is not None):
            raise ValueError(f"{self.action} takes no seed and no image")
        if self.disk_serials and (self.action != "wipe" or self.disk_serial):
            raise ValueError("disk_serials are for a wipe, and then without disk_serial")
        if len(set(self.disk_serials)) != len(self.disk_serials):
            raise ValueError("disk_serials has a disk twice")
        if self.authorized_keys and self.seed is None:
            raise ValueError("authorized_keys need a seed to lie on")
        if self.report is not None and self.network is None:
            raise ValueError("report needs a network")
        return self

    def as_bytes(self) -> bytes:
        """The job as the installer reads it; it holds the token. Raises InputError when it is too long."""
        content = self.model_dump_json(exclude_none=True).encode()
        if len(content) > JOB_BYTES:
            raise InputError(
                "the job is too long",
                why=f"{len(content)} bytes of {JOB_BYTES}",
                next_move="Shorten the seed or the list of keys.",
            )
        return content


def write_job_iso(iso: Path, job: InstallerJob, target: Path) -> None:
    """A copy of the ISO, mode 0600, that does this job: whole or not there. Raises InputError, StorageError."""
    content = job.as_bytes().ljust(JOB_BYTES)
    place = find_file(iso, JOB_FILE)
    if place.size_bytes != JOB_BYTES:
        raise InputError("this ISO has no room for a job", where=str(iso), next_move="Build the installer anew.")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    except OSError as error:
        raise _not_written(target, error) from None
    try:
        with os.fdopen(handle, "r+b") as copy, iso.open("rb") as source:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.seek(place.offset)
            copy.write(content)
            copy.flush()
            os.fsync(copy.fileno())
        Path(name).replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise _not_written(target, error) from None
    finally:
        Path(name).unlink(missing_ok=True)


def _not_written(target: Path, error: OSError) -> StorageError:
    return storage_error(target, error, what="the installer for this job cannot be written")
