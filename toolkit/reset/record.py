"""Erasure records: what is known of one erased disk, signed; read with distrust. Files: `record_files`."""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolkit.model.errors import InputError, VerificationError
from toolkit.model.problems import first_problem
from toolkit.model.verdict import Verdict
from toolkit.reset.erasure import Erasure
from toolkit.signing import SigningKey, open_signed
from toolkit.storage.given_file import read_given

FORMAT: Literal["rebox-erasure-record"] = "rebox-erasure-record"
VERSION: Literal[1] = 1
RECORD_BYTES_MAX = 1 << 18
"""A record has some 2 kB; a larger file is another file."""
RECORD = ".erasure.json"
"""What the name of a record's file ends with."""


class RecordContext(BaseModel):
    """What no disk tells: where it was, what was on it, who vouches. "" is not known, and left blank on paper.

    The terms are those of the certificate in NIST SP 800-88 Rev. 1, appendix G.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str = ""
    source: str = ""
    """The machine that the disk was part of, and whose it was."""
    property_number: str = ""
    """Assigned by the organisation that owns it."""
    classification_before: str = ""
    """Confidentiality categorisation of what was on it."""
    backed_up: Literal["yes", "no", "unknown"] = "unknown"
    backup_location: str = ""
    """Where the backup is, and by which hash it is known."""
    classification_after: str = ""
    destination: str = ""
    notes: str = ""
    position: str = ""
    """Of the operator, as `organisation`, `location` and `contact` are."""
    organisation: str = ""
    location: str = ""
    contact: str = ""


class Record(BaseModel):
    """One erasure with its context, as it is signed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["rebox-erasure-record"] = FORMAT
    version: Literal[1] = VERSION
    erasure: Erasure
    context: RecordContext = Field(default_factory=RecordContext)

    @property
    def verdict(self) -> Verdict:
        """What the record says of the disk: passed only where something was erased, and read back as it says."""
        erasure = self.erasure
        if erasure.result == "failed":
            return Verdict.FAILED
        enough = erasure.capacity_bytes if erasure.verification == "full" else 1
        read = erasure.verification != "none" and erasure.verified_bytes >= max(enough, 1)
        return Verdict.PASSED if erasure.result == "passed" and erasure.passes and read else Verdict.UNKNOWN

    @property
    def doubt(self) -> str:
        """Why the verdict is not passed, in words; "" when it is."""
        if self.verdict is Verdict.PASSED:
            return ""
        return self.erasure.reason or "It was not recorded that the disk was read back."


@dataclass(frozen=True)
class ReadRecord:
    """A record whose signature holds, by whom it was signed, and the SHA-256 of its file."""

    record: Record
    signer: str
    sha256: str


class _Anybody(Collection[str]):
    """Whoever has signed: for who only asks whether the document is as its signer left it."""

    def __contains__(self, _: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError


ANYBODY = _Anybody()


def sign_record(record: Record, key: SigningKey) -> bytes:
    """The signed record as its file's bytes, always the same ones; raises InputError when it is too long."""
    content = key.sign(as_signed(record).model_dump(mode="json"))
    if len(content) > RECORD_BYTES_MAX:
        raise InputError(
            "the erasure record is too long",
            where=record.erasure.identity[:100],
            why=f"it has {len(content):,} bytes; {RECORD_BYTES_MAX:,} are read at most",
            next_move="Shorten what was given to be written into it.",
        )
    return content


def as_signed(record: Record) -> Record:
    """The record as it can be signed: what a disk says need not be text, and a moment is one in UTC."""

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: told(one) for name, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [told(one) for one in value]
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value

    return Record.model_validate(told(record.model_dump()))


def open_record(path: Path, trusted: Collection[str]) -> ReadRecord:
    """The record in a file; raises InputError when it cannot be read, else as `read_record` does."""
    return read_record(read_given(path, bytes_max=RECORD_BYTES_MAX + 1), trusted, str(path))


def read_record(content: bytes, trusted: Collection[str], where: str) -> ReadRecord:
    """The record in a file's bytes; `trusted` are the signers that count.

    Raises VerificationError when it was altered, cut or signed by a stranger, InputError when it is no erasure record,
    or one that this release does not know.
    """
    if len(content) > RECORD_BYTES_MAX:
        raise InputError(
            "this is no erasure record",
            where=where,
            why=f"it has more than {RECORD_BYTES_MAX:,} bytes",
            next_move=f"Give the file whose name ends with {RECORD}.",
        )
    document, signer = open_signed(content, trusted, where)
    return ReadRecord(_record(document, where), signer, hashlib.sha256(content).hexdigest())


def _record(document: dict[str, Any], where: str) -> Record:
    if document.get("format") != FORMAT:
        raise InputError(
            "this is no erasure record",
            where=where,
            why="it is a signed document of another kind",
            next_move=f"Give the file whose name ends with {RECORD}.",
        )
    if document.get("version") != VERSION:
        raise InputError(
            "this erasure record has another version",
            where=where,
            why=f"it has version {str(document.get('version'))[:20]}; this release knows {VERSION}",
            next_move="Take the release of rebox that wrote it, or a newer one.",
        )
    try:
        return Record.model_validate(document)
    except ValidationError as error:
        raise VerificationError(
            "the erasure record is signed, but does not hold what one holds",
            where=where,
            why=first_problem(error),
            next_move="Ask who signed it which program wrote it.",
        ) from None
