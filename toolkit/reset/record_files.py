"""Erasure records in a folder: the signed document and the page for people beside it, each whole or not at all."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from toolkit.reset.erasure import Erasure
from toolkit.reset.record import RECORD, RECORD_BYTES_MAX, Record, RecordContext, as_signed, sign_record
from toolkit.reset.record_page import record_page
from toolkit.signing import SigningKey
from toolkit.storage.errors import AlreadyThereError, storage_error
from toolkit.storage.given_file import read_given
from toolkit.storage.whole_file import write_whole

RECORDS_FOLDER = "erasure"
"""Where a run keeps its records, in its own folder."""
PAGE = ".erasure.html"
_PLAIN = re.compile(r"[^A-Za-z0-9._-]")
_NAME_MAX = 120
_WHAT, _THEN = "the erasure record cannot be written", "do the same again: nothing is erased twice for a record"


def file_stem(serial_number: str) -> str:
    """A serial number as the beginning of a file's name: no two become the same, and none leads out of its folder."""
    if not serial_number:
        return "~none"
    escaped = _PLAIN.sub(lambda found: "".join(f"%{byte:02X}" for byte in _bytes(found[0])), serial_number)
    if escaped.startswith("."):
        escaped = f"%2E{escaped[1:]}"
    if len(escaped) <= _NAME_MAX:
        return escaped
    return f"{escaped[:_NAME_MAX]}~{hashlib.sha256(_bytes(serial_number)).hexdigest()[:16]}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def write_records(
    folder: Path, erasures: Iterable[Erasure], context: RecordContext, key: SigningKey
) -> tuple[Path, ...]:
    """Writes one signed record for each erasure, and the page beside it; returns the records' paths.

    Done again it changes nothing. Another erasure of the same disk gets a name of its own (`SERIAL~2`): what is there
    stays. Raises StorageError, InputError; each file is there whole or not at all, the record before its page.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error, what=_WHAT, then=_THEN) from None
    return tuple(_write(folder, Record(erasure=erasure, context=context), key) for erasure in erasures)


def _write(folder: Path, record: Record, key: SigningKey) -> Path:
    content = sign_record(record, key)
    stem = file_stem(record.erasure.identity)
    for number in count(1):
        path = folder / (stem + (f"~{number}" if number > 1 else "") + RECORD)
        if _is_there(path, content):
            break
    page = record_page(as_signed(record), path.name, hashlib.sha256(content).hexdigest(), key.public)
    write_whole(page_of(path), page.encode(), mode=0o644, what="the record's page cannot be written", then=_THEN)
    return path


def page_of(path: Path) -> Path:
    """The page beside a record."""
    return path.with_name(path.name.removesuffix(RECORD) + PAGE)


def _is_there(path: Path, content: bytes) -> bool:
    """Has the record in that place; False: another one is there."""
    try:
        write_whole(path, content, mode=0o644, replace=False, what=_WHAT, then=_THEN)
    except AlreadyThereError:
        return read_given(path, bytes_max=RECORD_BYTES_MAX + 1) == content
    return True


def records_in(folder: Path) -> Iterator[Path]:
    """The records of a folder, in the order of their names; none when there is no such folder."""
    yield from sorted(folder.glob(f"*{RECORD}"))
