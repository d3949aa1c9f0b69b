"""Puts archived session records and recordings onto a box, as far as it takes them, and counts both sides."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from toolkit.appliances.protocol import ImportResult, Progress
from toolkit.backup.age import Identity
from toolkit.backup.manifest import SealedFile
from toolkit.backup.records import RecordsArchive, RecordsBox, latest_of, read_listing, sessions_of
from toolkit.backup.sealed import unsealed
from toolkit.backup.segments import SESSIONS, IndexEntry, digest, member_name, members
from toolkit.backup.verification import check_stored
from toolkit.model.counting import counted
from toolkit.model.run_report import Compared
from toolkit.model.verdict import Verdict, combine

_BATCH = 500
_PIECE = 1 << 20


class RecordsComparison(BaseModel):
    """What is in the archive, what of it is on the box, and why the rest is not.

    `imported` and `already` count this call; the others what was found afterwards by listing the box.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sessions_before: int
    sessions_after: int
    sessions_imported: int
    sessions_already: int
    sessions_different: int
    recordings_before: int
    recordings_after: int
    recordings_imported: int
    recordings_already: int
    recordings_left_out: int = Field(description="Not in the archive, because someone had them left behind.")
    reasons: tuple[str, ...] = Field(default=(), description="Why something is not on the box, with counts.")
    sessions_verdict: Verdict
    recordings_verdict: Verdict

    @property
    def verdict(self) -> Verdict:
        """Of both; UNKNOWN when the box takes neither sessions nor recordings."""
        return combine((self.sessions_verdict, self.recordings_verdict))

    @property
    def recordings_not_taken(self) -> int:
        """Recordings that stay in the archive."""
        return self.recordings_before - self.recordings_after

    def compared(self) -> tuple[Compared, Compared]:
        """The lines of the run's report."""
        note = "; ".join(self.reasons)
        sessions = Compared(
            kind="sessions",
            before=self.sessions_before,
            after=self.sessions_after,
            different=self.sessions_different,
            note=note if self.sessions_verdict is not Verdict.PASSED else "",
        )
        recordings = Compared(kind="recordings", before=self.recordings_before, after=self.recordings_after, note=note)
        return sessions, recordings


class _Held(NamedTuple):
    """What a box has of one session: the digest of its record, and the SHA-256 of its recording."""

    record: str
    recording: str | None


def put_back_records(
    archive: RecordsArchive, identities: Sequence[Identity], box: RecordsBox, progress: Progress
) -> RecordsComparison:
    """Imports every archived session, then its recording, where the box has not got them yet.

    Looks first at what the box holds, so that a call after an interruption only puts back what is missing. Each
    segment is verified before anything of it reaches the box. What the box cannot or will not take stays in the archive
    and is counted with the reason. Holds a few hundred bytes per session of the box in memory.

    Raises BackupError for a damaged archive, WrongIdentityError, MissingIdentityError, and the driver's errors.
    """
    work = _PutBack(archive, identities, box, progress)
    if work.takes_sessions:
        # what was extracted again comes first: what it replaces in earlier segments is then left out
        pairs = list(archive.pairs())
        again = [pair for pair in pairs if _is_again(pair[0])]
        for records, listing in (*reversed(again), *(pair for pair in pairs if pair not in again)):
            work.segment(records, listing)
    progress(0.95, "comparing both sides")
    comparison = work.comparison()
    progress(1.0, "counted on both sides")
    return comparison


class _PutBack:
    """One pass over an archive."""

    def __init__(
        self, archive: RecordsArchive, identities: Sequence[Identity], box: RecordsBox, progress: Progress
    ) -> None:
        status = box.status()
        self.takes_sessions = "import-sessions" in status.capabilities
        self._takes_recordings = "import-recordings" in status.capabilities
        self._box_version = status.site_version or "no site package"
        self._archive = archive
        self._identities = identities
        self._box = box
        self._progress = progress
        entries = list(archive.entries(identities))
        self._latest = latest_of(entries)
        self._held = _held(box)
        self._as_before = {
            entry.lsid
            for entry in entries
            if (held := self._held.get(entry.lsid)) and _same(held, entry) and not _same(held, self._latest[entry.lsid])
        }
        self._placed: set[str] = set()
        self._refused: set[str] = set()
        self._reasons: Counter[str] = Counter()
        self._imported = {"sessions": 0, "recordings": 0}
        self._already = {"sessions": 0, "recordings": 0}
        self._bytes_done = 0

    def segment(self, records: SealedFile, listing: SealedFile) -> None:
        """Puts back what the box lacks of one segment."""
        before = self._bytes_done
        entries = {
            member_name(entry.lsid): entry for entry in read_listing(self._archive.folder, listing, self._identities)
        }
        entries = {name: entry for name, entry in entries.items() if self._counts(entry)}
        sessions = {entry.lsid for entry in entries.values() if self._lacks_session(entry)}
        recordings = {name: entry for name, entry in entries.items() if self._lacks_recording(entry)}
        self._already["sessions"] += len(entries) - len(sessions)
        self._already["recordings"] += sum(_has_recording(self._held, entry) for entry in entries.values())
        if sessions or recordings:
            check_stored(self._archive.folder, records)
            self._put(records, sessions, recordings)
        self._bytes_done = before + (records.segment.recording_bytes if records.segment else 0)
        self._say(f"{records.name}: put back")

    def _counts(self, entry: IndexEntry) -> bool:
        """Whether the session was not extracted again later, or at least its recording stands here."""
        latest = self._latest[entry.lsid]
        as_it_is = entry.record_sha256 == latest.record_sha256
        return as_it_is or (entry.recording is not None and entry.recording == latest.recording)

    def _lacks_session(self, entry: IndexEntry) -> bool:
        as_it_is = entry.record_sha256 == self._latest[entry.lsid].record_sha256
        return as_it_is and entry.lsid not in self._held and entry.lsid not in self._placed

    def _put(self, records: SealedFile, sessions: set[str], recordings: dict[str, IndexEntry]) -> None:
        path = self._archive.folder / records.name
        with unsealed(path, self._identities, records) as stream:
            for name, _, content in members(stream, str(path)):
                if name == SESSIONS:
                    self._put_sessions([record for record in map(json.loads, content) if record["lsid"] in sessions])
                    self._placed |= sessions
                    if not recordings:
                        return  # they follow the sessions; nobody needs to open them
                elif name in recordings and recordings[name].lsid not in self._refused:
                    self._put_recording(recordings[name], content)

    def _put_sessions(self, records: Sequence[dict[str, JsonValue]]) -> None:
        for start in range(0, len(records), _BATCH):
            batch = [{name: record[name] for name in record if name != "seq"} for record in records[start:][:_BATCH]]
            self._count("sessions", self._box.import_sessions(batch))

    def _put_recording(self, entry: IndexEntry, content: IO[bytes]) -> None:
        if entry.recording is not None:
            result = self._box.import_recording(
                entry.lsid, self._pieces(entry.lsid, content), entry.recording.size_bytes, entry.recording.sha256
            )
            self._count("recordings", result)

    def _count(self, kind: str, result: ImportResult) -> None:
        self._imported[kind] += result.imported
        self._already[kind] += result.already
        for refusal in result.refused:
            self._refused.add(refusal.get("lsid", ""))
            self._reasons[f"{kind} refused by the box: {refusal.get('reason', 'no reason given')}"] += 1

    def _lacks_recording(self, entry: IndexEntry) -> bool:
        return self._takes_recordings and entry.recording is not None and not _has_recording(self._held, entry)

    def _pieces(self, lsid: str, content: IO[bytes]) -> Iterator[bytes]:
        while piece := content.read(_PIECE):
            yield piece
            self._bytes_done += len(piece)
            self._say(f"recording {lsid[:12]}")

    def _say(self, phase: str) -> None:
        self._progress(0.95 * min(self._bytes_done / max(self._archive.counts.recording_bytes, 1), 1.0), phase)

    def comparison(self) -> RecordsComparison:
        """Both sides, the box's listed anew."""
        now = _held(self._box)
        entries = list(self._latest.values())
        there = [entry for entry in entries if entry.lsid in now]
        recorded = [entry for entry in entries if entry.recording is not None]
        lost = [entry for entry in recorded if not _has_recording(now, entry)]
        different = {entry.lsid for entry in there if not _same(now[entry.lsid], entry)}
        return RecordsComparison(
            sessions_before=len(entries),
            sessions_after=len(there),
            sessions_imported=self._imported["sessions"],
            sessions_already=self._already["sessions"],
            sessions_different=len(different),
            recordings_before=len(recorded),
            recordings_after=len(recorded) - len(lost),
            recordings_imported=self._imported["recordings"],
            recordings_already=self._already["recordings"],
            recordings_left_out=sum(entry.left_out for entry in entries),
            reasons=tuple(self._explained(bool(entries), bool(lost))),
            sessions_verdict=self._sessions_verdict(len(entries) - len(there), different),
            recordings_verdict=self._recordings_verdict(lost),
        )

    def _sessions_verdict(self, lost: int, different: set[str]) -> Verdict:
        """A record that changed after it was put back cannot be replaced: the archive has it, and that is told."""
        if not lost and not different:
            return Verdict.PASSED
        explained = not self.takes_sessions or (not lost and different <= self._as_before)
        return Verdict.SKIPPED if explained else Verdict.FAILED

    def _recordings_verdict(self, lost: Sequence[IndexEntry]) -> Verdict:
        if not lost:
            return Verdict.PASSED
        takes_them = self.takes_sessions and self._takes_recordings
        unexplained = takes_them and any(entry.lsid not in self._refused for entry in lost)
        return Verdict.FAILED if unexplained else Verdict.SKIPPED

    def _explained(self, sessions: bool, lost_recordings: bool) -> Iterator[str]:
        stay = f"with {self._box_version}; they stay in the archive"
        if sessions and not self.takes_sessions:
            yield f"the box takes no session records {stay}"
        elif lost_recordings and not self._takes_recordings:
            yield f"the box takes no recordings {stay}"
        if self._as_before:
            kept = counted(len(self._as_before), "session record")
            yield f"{kept} changed after the box had got it, and the box takes no other; the archive has both"
        for reason, count in self._reasons.most_common():
            yield f"{count} {reason}"


def _held(box: RecordsBox) -> dict[str, _Held]:
    return {
        session.lsid: _Held(digest(session.record), session.recording.sha256 if session.recording else None)
        for session in sessions_of(box, after=0)
    }


def _is_again(records: SealedFile) -> bool:
    return records.segment is not None and records.segment.again


def _same(held: _Held, entry: IndexEntry) -> bool:
    return held.record == entry.record_sha256


def _has_recording(held: dict[str, _Held], entry: IndexEntry) -> bool:
    there = held.get(entry.lsid)
    return there is not None and entry.recording is not None and there.recording == entry.recording.sha256
