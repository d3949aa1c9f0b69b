"""How session records and recordings are cut into segments, and how one segment is laid out; pure.

A segment is a tar: `sessions.jsonl` first (one record per line, as the box gave it), then `recordings/LSID.bin` for
each session that has one, in the same order. Where a segment ends depends only on the records themselves, so an
extraction that was interrupted and one that was not give the same segments, byte for byte.
"""

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, BinaryIO, NamedTuple
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from toolkit.backup.manifest import Segment
from toolkit.model.errors import BackupError, VerificationError, words_of
from toolkit.model.problems import first_problem

SESSIONS = "sessions.jsonl"
_BLOCK = tarfile.BLOCKSIZE
_OWN_FIELDS = frozenset({"seq", "recording"})
"""What a box gives a session itself: its own number, and whether the recording is there."""


@dataclass(frozen=True)
class Limits:
    """When a segment is full. A recording is never cut in two, so a segment may be larger than `recording_bytes`."""

    recording_bytes: int = 64 << 20
    sessions: int = 1000


class Recording(BaseModel):
    """A recording as its session record announces it."""

    model_config = ConfigDict(frozen=True)

    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Session(BaseModel):
    """What must be known of a session record; `record` is all of it."""

    model_config = ConfigDict(frozen=True)

    seq: int
    lsid: str = Field(min_length=1, max_length=200)
    recording: Recording | None = None
    record: dict[str, JsonValue]


class IndexEntry(BaseModel):
    """One line of a segment's index. `recording` is None for a session without one, or when it stands elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: int
    lsid: str
    record_sha256: str
    recording: Recording | None
    left_out: bool = False
    elsewhere: bool = False
    """Its recording is unchanged, and stays in the earlier segment that has it."""


def read_session(record: dict[str, JsonValue], where: str) -> Session:
    """A session record as the box gave it; raises VerificationError naming what is wrong with it."""
    known = {name: record.get(name) for name in ("seq", "lsid", "recording")}
    try:
        return Session.model_validate({**known, "record": record})
    except ValidationError as error:
        raise VerificationError(
            "a session record cannot be understood",
            where=where,
            why=first_problem(error),
        ) from None


def cut(sessions: Iterable[Session], limits: Limits) -> Iterator[tuple[Session, ...]]:
    """The sessions of one segment after the other."""
    segment: list[Session] = []
    size = 0
    for session in sessions:
        segment.append(session)
        size += session.recording.size_bytes if session.recording else 0
        if size >= limits.recording_bytes or len(segment) >= limits.sessions:
            yield tuple(segment)
            segment, size = [], 0
    if segment:
        yield tuple(segment)


def member_name(lsid: str) -> str:
    """Where a session's recording stands in the tar: a safe path whatever the id."""
    return f"recordings/{quote(lsid, safe='')}.bin"


def digest(record: dict[str, JsonValue]) -> str:
    """SHA-256 of a session record without what each box gives it itself: the same record on two boxes is the same."""
    return hashlib.sha256(_line({name: record[name] for name in record.keys() - _OWN_FIELDS})).hexdigest()


def lay_out(sessions: Sequence[Session], recording: Callable[[Session], Iterable[bytes] | None]) -> Iterator[bytes]:
    """The segment as a tar, piece by piece; `recording` gives a session's recording, or None to leave it out.

    Raises VerificationError when a recording has not the size or the SHA-256 that the box announced.
    """
    listing = b"".join(_line(session.record) for session in sessions)
    yield _header(SESSIONS, len(listing)) + listing + _padding(len(listing))
    for session in sessions:
        chunks = recording(session) if session.recording is not None else None
        if session.recording is not None and chunks is not None:
            yield _header(member_name(session.lsid), session.recording.size_bytes)
            yield from _as_announced(session.lsid, session.recording, chunks)
            yield _padding(session.recording.size_bytes)
    yield bytes(2 * _BLOCK)


def _as_announced(lsid: str, announced: Recording, chunks: Iterable[bytes]) -> Iterator[bytes]:
    content = hashlib.sha256()
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > announced.size_bytes:
            break
        content.update(chunk)
        yield chunk
    if (size, content.hexdigest()) != (announced.size_bytes, announced.sha256):
        raise VerificationError(
            f"the recording of session {lsid} is not what the box announced",
            why=f"{size} bytes with SHA-256 {content.hexdigest()[:16]}… instead of {announced.size_bytes} bytes with "
            f"{announced.sha256[:16]}…",
            next_move="Run it again; if it stays so, the box's copy is damaged: leave this recording out by name.",
        )


class Kept(NamedTuple):
    """What becomes of the recordings of a segment's sessions: which are left out, and which an earlier segment has."""

    left_out: Callable[[Session], bool]
    elsewhere: Callable[[Session], bool] = lambda _: False

    def here(self, session: Session) -> Recording | None:
        """The recording that stands in the segment itself."""
        return None if self.left_out(session) or self.elsewhere(session) else session.recording


def index(sessions: Sequence[Session], kept: Kept) -> Iterator[bytes]:
    """The segment's index: one JSON line per session, to look up what is where without opening the segment."""
    for session in sessions:
        entry = IndexEntry(
            seq=session.seq,
            lsid=session.lsid,
            record_sha256=digest(session.record),
            recording=kept.here(session),
            left_out=kept.left_out(session),
            elsewhere=kept.elsewhere(session),
        )
        yield entry.model_dump_json().encode() + b"\n"


def read_index(stream: BinaryIO, where: str) -> Iterator[IndexEntry]:
    """The lines of an index; raises BackupError when one cannot be understood."""
    for number, line in enumerate(stream, start=1):
        try:
            yield IndexEntry.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise BackupError("the index cannot be understood", where=f"{where}:{number}", why=first["msg"]) from None


def members(stream: BinaryIO, where: str) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Name, size and content of each member, in order; each content must be read before the next is asked for.

    Reads on to the end of `stream`, where a sealed file says whether it was whole. Raises BackupError.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content is not None:
                    yield member.name, member.size, content
    except tarfile.TarError as error:
        raise BackupError("the segment cannot be understood", where=where, why=words_of(error)) from None
    while stream.read(1 << 20):
        pass


def summary(sessions: Sequence[Session], kept: Kept, *, replaced: frozenset[str] | None = None) -> Segment:
    """What the manifest says about a segment; `replaced`: whose earlier recordings it replaces, extracted again."""
    here = [session for session in sessions if kept.here(session) is not None]
    return Segment(
        first_seq=sessions[0].seq,
        last_seq=sessions[-1].seq,
        sessions=len(sessions),
        recordings=len(here),
        recording_bytes=sum(session.recording.size_bytes for session in here if session.recording),
        left_out=sum(kept.left_out(session) for session in sessions),
        again=replaced is not None,
        recordings_before=sum(session.lsid in (replaced or ()) for session in here),
    )


def _line(record: dict[str, JsonValue]) -> bytes:
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _header(name: str, size_bytes: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size_bytes
    member.mode = 0o600
    return member.tobuf(tarfile.PAX_FORMAT)


def _padding(size_bytes: int) -> bytes:
    return bytes(-size_bytes % _BLOCK)
