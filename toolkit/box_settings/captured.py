"""The settings of a box itself as data: network, clock, TLS, accounts by name, which certificate serves where."""

from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from toolkit.appliances.protocol import Certified, Identified, Networked, OwnSettings
from toolkit.model.box import BoxAccounts, NetworkSettings, TlsSettings
from toolkit.model.errors import InputError
from toolkit.model.problems import first_problem
from toolkit.storage.given_file import read_given_text
from toolkit.storage.whole_file import write_whole


class Described(Identified, Networked, OwnSettings, Certified, Protocol):
    """What is asked of a box whose settings are captured."""


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServedCertificate(_Kept):
    """A certificate, by what it is called and its leaf's SHA-256, and the addresses it serves; never its key."""

    name: str
    sha256: str
    addresses: tuple[str, ...]


class BoxSettings(_Kept):
    """One box at one moment. `clock_offset_seconds`: how far its clock was ahead of ours. It holds no secret."""

    format: Literal[1] = 1
    serial_number: str
    captured: AwareDatetime
    clock_offset_seconds: float
    network: NetworkSettings
    tls: TlsSettings
    accounts: BoxAccounts
    certificates: tuple[ServedCertificate, ...]


def capture(box: Described, now: datetime) -> BoxSettings:
    """As the box is now; it is only read."""
    status = box.status()
    return BoxSettings(
        serial_number=status.serial_number,
        captured=now,
        clock_offset_seconds=round((status.time - now).total_seconds(), 1) + 0.0,  # never -0.0
        network=box.network(),
        tls=box.tls_settings(),
        accounts=box.accounts(),
        certificates=tuple(
            ServedCertificate(name=one.name, sha256=one.sha256, addresses=one.addresses) for one in box.certificates()
        ),
    )


def write_captured(path: Path, settings: BoxSettings, *, replace: bool = True) -> None:
    """Whole or not at all; raises StorageError, AlreadyThereError."""
    content = settings.model_dump_json(indent=1).encode() + b"\n"
    write_whole(path, content, replace=replace, what="the captured settings cannot be written", then="try again")


def read_captured(path: Path) -> BoxSettings:
    """What `write_captured` wrote; raises InputError for a file that is missing or damaged."""
    again = "Capture the settings again: rebox box-settings capture."
    text = read_given_text(path, what="the captured settings cannot be read", next_move=again)
    try:
        return BoxSettings.model_validate_json(text)
    except ValidationError as error:
        raise InputError(
            "these are no captured settings, or they are damaged",
            where=str(path),
            why=first_problem(error, "the file"),
            next_move=again,
        ) from None
