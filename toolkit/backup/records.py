"""Session records and recordings, extracted from a box into an encrypted archive of segments (requirement A5).

The archive is a folder: `records-0001.tar.zst.age` and its index `records-0001.index.zst.age`, and so on, and the
manifest, which lists a segment once both its files are on the disk. The manifest is the journal: whatever happens,
an extraction goes on after the last session it lists. An interruption costs the segment that was open, no more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from toolkit.appliances.protocol import Identified, Progress, Recorded
from toolkit.backup.age import Identity
from toolkit.backup.folder import own_folder
from toolkit.backup.manifest import (
    Manifest,
    SealedFile,
    Segment,
    check_same,
    find_manifest,
    new_manifest,
    read_manifest,
    source_of,
    write_manifest,
)
from toolkit.backup.sealed import SUFFIX, seal, unsealed
from toolkit.backup.segments import (
    IndexEntry,
    Kept,
    Limits,
    Session,
    cut,
    digest,
    index,
    lay_out,
    read_index,
    read_session,
    summary,
)
from toolkit.backup.verification import check_stored, check_there
from toolkit.model.box import BoxStatus, RecordCounts
from toolkit.model.counting import counted
from toolkit.model.errors import InputError, UnreachableError, VerificationError

_PAGE = 500
_BREAKS_MAX = 5
"""How often in a row a recording may break off without a single byte in between."""
_SESSION_WEIGHT = 2048
"""What a session record counts for in the progress, beside the bytes of recordings."""


class RecordsBox(Identified, Recorded, Protocol):
    """A box that says who it is and gives and takes session records and recordings."""


@dataclass(frozen=True)
class RecordsArchive:
    """An archive on the disk and what its manifest says."""

    folder: Path
    manifest: Manifest

    @property
    def segments(self) -> tuple[Segment, ...]:
        """What each segment holds, in order."""
        return tuple(file.segment for file in self.manifest.files if file.holds == "records" and file.segment)

    @property
    def last_seq(self) -> int:
        """The box's number of the last session in it; 0 when there is none."""
        return max((segment.last_seq for segment in self.segments), default=0)

    @property
    def counts(self) -> RecordCounts:
        """Sessions, recordings and their bytes in it."""
        return RecordCounts(
            sessions=sum(segment.sessions for segment in self.segments if not segment.again),
            recordings=sum(segment.recordings - segment.recordings_before for segment in self.segments),
            recording_bytes=sum(segment.recording_bytes for segment in self.segments),
        )

    @property
    def left_out(self) -> int:
        """Recordings that stay behind because someone named them."""
        return sum(segment.left_out for segment in self.segments)

    def pairs(self) -> Iterator[tuple[SealedFile, SealedFile]]:
        """Each segment's records and index, in order."""
        files = self.manifest.files
        yield from zip(
            (file for file in files if file.holds == "records"),
            (file for file in files if file.holds == "index"),
            strict=True,
        )

    def entries(self, identities: Sequence[Identity]) -> Iterator[IndexEntry]:
        """All lines of all indexes; raises BackupError and its kin."""
        for _, listing in self.pairs():
            yield from read_listing(self.folder, listing, identities)

    def latest(self, identities: Sequence[Identity]) -> dict[str, IndexEntry]:
        """Each session by its lsid, as it was extracted last, with its recording wherever that stands."""
        return latest_of(self.entries(identities))

    def missing(self, held: RecordCounts) -> RecordCounts:
        """What of `held`, as the box counts it, is not in the archive; all zero when nothing is missing."""
        mine = self.counts
        return RecordCounts(
            sessions=max(held.sessions - mine.sessions, 0),
            recordings=max(held.recordings - mine.recordings - self.left_out, 0),
        )


def latest_of(entries: Iterable[IndexEntry]) -> dict[str, IndexEntry]:
    """The last line of each session, with its recording wherever that stands."""
    found: dict[str, IndexEntry] = {}
    for entry in entries:
        before = found.get(entry.lsid)
        kept = before.recording if entry.elsewhere and before else entry.recording
        found[entry.lsid] = entry.model_copy(update={"recording": kept})
    return found


class Outdated(NamedTuple):
    """What a box holds otherwise than the archive does, by lsid."""

    missing: tuple[str, ...]
    changed: tuple[str, ...]
    recordings: tuple[str, ...]

    @property
    def none(self) -> bool:
        """Whether the archive holds all of it, as it is."""
        return not (self.missing or self.changed or self.recordings)

    def words(self) -> str:
        """How many of each, and the first few by name; numbers alone would hide which."""
        parts = (
            ("session", "missing", self.missing),
            ("session", "changed since", self.changed),
            ("recording", "missing or changed", self.recordings),
        )
        return "; ".join(
            f"{counted(len(lsids), noun)} {what}: {', '.join(lsids[:3])}{' …' if len(lsids) > 3 else ''}"
            for noun, what, lsids in parts
            if lsids
        )


def outdated(known: Mapping[str, IndexEntry], sessions: Iterable[Session]) -> Outdated:
    """Compares what is archived with what a box lists, by digest: a number says nothing of what it counts."""
    missing, changed, recordings = [], [], []
    for session in sessions:
        entry = known.get(session.lsid)
        if entry is None:
            missing.append(session.lsid)
            continue
        if entry.record_sha256 != digest(session.record):
            changed.append(session.lsid)
        if session.recording is not None and not entry.left_out and entry.recording != session.recording:
            recordings.append(session.lsid)
    return Outdated(tuple(missing), tuple(changed), tuple(recordings))


def open_archive(folder: Path) -> RecordsArchive:
    """The archive in `folder`; raises BackupError when there is none or its manifest is damaged."""
    return RecordsArchive(folder, read_manifest(folder, "records"))


def read_listing(folder: Path, listing: SealedFile, identities: Sequence[Identity]) -> tuple[IndexEntry, ...]:
    """The lines of one segment's index; raises BackupError and its kin."""
    path = folder / listing.name
    with unsealed(path, identities, listing) as stream:
        return tuple(read_index(stream, str(path)))


def extract_records(
    box: RecordsBox,
    folder: Path,
    recipients: Sequence[str],
    after: int,
    progress: Progress,
    *,
    now: datetime | None = None,
    limits: Limits = Limits(),  # noqa: B008  (frozen)
    without: frozenset[str] = frozenset(),
    renew: Sequence[Identity] = (),
) -> RecordsArchive:
    """Extracts the sessions numbered above `after`, with their recordings, into the archive in `folder`.

    Called again, after an interruption or for sessions that came later, it goes on after the last session in the
    archive; what is in it is not fetched again. Every recording is compared with the SHA-256 the box announced, every
    file is read back from the disk. `without` names sessions whose recordings the box cannot give and that are to be
    left behind. With the identities that open the archive (`renew`), sessions that it has otherwise than the box are
    extracted again, into segments of their own: a record that was changed, a recording that came later. The box is only
    read.

    Raises StorageError, VerificationError, BackupError, RefusedError while another process extracts into the folder,
    InputError when the folder belongs to another box or `after` would leave a hole, and the driver's errors.
    """
    status = box.status()
    extraction = _Extraction(box, folder, now or datetime.now(UTC), without, progress)
    with own_folder(folder):
        extraction.begin(status, recipients)
        if renew and extraction.archive.segments:
            extraction.renew(extraction.archive.latest(renew), limits)
        for sessions in cut(sessions_of(box, extraction.from_where(after)), limits):
            extraction.add_segment(sessions)
        return extraction.end()


class _Extraction:
    """One pass over a box; `archive` is what is on the disk by now."""

    archive: RecordsArchive

    def __init__(
        self, box: RecordsBox, folder: Path, now: datetime, without: frozenset[str], progress: Progress
    ) -> None:
        self._box = box
        self._folder = folder
        self._now = now
        self._without = without
        self._progress = progress
        self._bytes_done = 0
        self._bytes_total = 1

    def begin(self, status: BoxStatus, recipients: Sequence[str]) -> None:
        """Opens the archive, or begins one; raises InputError when it is another box's, BackupError when damaged."""
        if find_manifest(self._folder) is None:
            write_manifest(self._folder, new_manifest("records", status, recipients, self._now))
        self.archive = open_archive(self._folder)
        check_same(self.archive.manifest, status, recipients, self._folder)
        for file in self.archive.manifest.files:
            check_there(self._folder, file)
        self._bytes_done = _weight(self.archive.counts)
        self._bytes_total = max(_weight(status.records), 1)

    def from_where(self, after: int) -> int:
        """The number of the session to go on after; raises InputError when `after` would leave a hole."""
        if not self.archive.segments:
            return after
        if after > self.archive.last_seq:
            raise InputError(
                f"the archive would have a hole after session {self.archive.last_seq}",
                where=str(self._folder),
                why=f"it was asked to go on after session {after}",
                next_move=f"Say {self.archive.last_seq} or less.",
            )
        return self.archive.last_seq

    def renew(self, known: Mapping[str, IndexEntry], limits: Limits) -> None:
        """Extracts again what is in the archive and has changed on the box, and what came among it unseen."""
        last = self.archive.last_seq
        listed = [session for session in sessions_of(self._box, 0) if session.seq <= last]
        missing, changed, recordings = outdated(known, listed)
        for sessions in cut((session for session in listed if session.lsid in {*missing}), limits):
            self.add_segment(sessions)
        for sessions in cut((session for session in listed if session.lsid in {*changed, *recordings}), limits):
            self.add_segment(sessions, known)

    def add_segment(self, sessions: Sequence[Session], known: Mapping[str, IndexEntry] | None = None) -> None:
        """Writes the two files, reads them back, and only then lists them; `known`: as they were extracted before."""
        manifest = self.archive.manifest
        name = f"records-{len(self.archive.segments) + 1:04d}"
        before = {lsid: entry.recording for lsid, entry in (known or {}).items() if entry.recording is not None}
        kept = Kept(
            self._left_out,
            lambda session: session.recording is not None and before.get(session.lsid) == session.recording,
        )
        held = summary(sessions, kept, replaced=None if known is None else frozenset(before))
        contents: tuple[tuple[Literal["records", "index"], str, Iterator[bytes]], ...] = (
            ("records", f"{name}.tar{SUFFIX}", lay_out(sessions, lambda session: self._fetch(session, kept))),
            ("index", f"{name}.index{SUFFIX}", index(sessions, kept)),
        )
        files = list(manifest.files)
        for holds, file_name, chunks in contents:
            sealed = seal(chunks, self._folder / file_name, manifest.recipients)
            files.append(SealedFile(name=file_name, holds=holds, segment=held, **sealed.model_dump()))
            check_stored(self._folder, files[-1])
        self._write({"files": tuple(files), "complete": False})
        self._report(len(sessions) * _SESSION_WEIGHT, f"{name}: written and read back")

    def end(self) -> RecordsArchive:
        """Marks the archive complete, with what the box holds now."""
        self._write({"complete": True, "source": source_of(self._box.status())})
        self._progress(1.0, "complete")
        return self.archive

    def _write(self, changes: dict[str, object]) -> None:
        changed = self.archive.manifest.model_copy(update=changes)
        if changed != self.archive.manifest:
            changed = changed.model_copy(update={"updated": self._now})
            write_manifest(self._folder, changed)
            self.archive = RecordsArchive(self._folder, changed)

    def _left_out(self, session: Session) -> bool:
        return session.recording is not None and session.lsid in self._without

    def _fetch(self, session: Session, kept: Kept) -> Iterator[bytes] | None:
        return None if kept.here(session) is None else self._recording(session)

    def _recording(self, session: Session) -> Iterator[bytes]:
        """The recording from its start; a connection that breaks is taken up again where it broke."""
        announced = session.recording.size_bytes if session.recording else 0
        offset = breaks = 0
        while offset < announced:
            try:
                for chunk in self._box.recording(session.lsid, offset):
                    offset += len(chunk)
                    breaks = 0
                    yield chunk
                    self._report(len(chunk), f"recording {session.lsid[:12]}")
            except UnreachableError:
                breaks += 1
                if breaks > _BREAKS_MAX:
                    raise
            else:
                return

    def _report(self, size_bytes: int, phase: str) -> None:
        self._bytes_done += size_bytes
        self._progress(min(self._bytes_done / self._bytes_total, 1.0), phase)


def _weight(counts: RecordCounts) -> int:
    """Bytes of recordings; a session counts as a few more."""
    return counts.recording_bytes + counts.sessions * _SESSION_WEIGHT


def sessions_of(box: RecordsBox, after: int) -> Iterator[Session]:
    """All sessions numbered above `after`, page by page; raises VerificationError when the box disorders them."""
    last = after
    following: int | None = after
    while following is not None:
        page = box.sessions(following, _PAGE)
        for record in page.sessions:
            session = read_session(record, box.name)
            if session.seq <= last:
                raise _disorder(box.name, f"session {session.seq} came after {last}")
            last = session.seq
            yield session
        if page.next_after is not None and page.next_after <= following:
            raise _disorder(box.name, f"the page after {following} is followed by the one after {page.next_after}")
        following = page.next_after


def _disorder(where: str, why: str) -> VerificationError:
    return VerificationError("the box lists its sessions out of order", where=where, why=why)
