"""The extraction's story: whole, resumed after any kill, continued for late sessions, and stopped by what is wrong."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backup.conftest import NOW, Key
from tests.backup.small_box import DeadLineError, PowerCutError, SmallBox, box_with_sessions, factory_box, quiet
from toolkit.backup.records import RecordsArchive, extract_records, open_archive
from toolkit.backup.sealed import unsealed
from toolkit.backup.segments import Limits, member_name, members
from toolkit.backup.verification import verify
from toolkit.model.box import SessionPage
from toolkit.model.errors import BackupError, InputError, RefusedError, UnreachableError, VerificationError
from toolkit.model.verdict import Verdict

ROOT = Path(__file__).parents[2]
LIMITS = Limits(recording_bytes=60_000, sessions=7)


def extract(box: SmallBox, folder: Path, key: Key, after: int = 0) -> RecordsArchive:
    return extract_records(box, folder, [key.recipient], after, quiet, now=NOW, limits=LIMITS)


def contents(archive: RecordsArchive, key: Key) -> dict[str, bytes]:
    found = {}
    for file in archive.manifest.files:
        if file.holds == "records":
            with unsealed(archive.folder / file.name, [key.identity], file) as stream:
                for name, _, content in members(stream, file.name):
                    found[f"{file.name}/{name}" if name == "sessions.jsonl" else name] = content.read()
    return found


def plain_hashes(archive: RecordsArchive) -> list[tuple[str, str]]:
    return [(file.name, file.plain_sha256) for file in archive.manifest.files]


def test_everything_the_box_holds_is_in_the_archive(tmp_path: Path, key: Key) -> None:
    box = box_with_sessions()
    archive = extract(box, tmp_path / "r", key)
    assert archive.counts == box.status().records
    assert archive.last_seq == box.listed[-1]["seq"]
    assert archive.missing(box.status().records).sessions == 0
    assert len(archive.segments) > 3
    found = contents(archive, key)
    for lsid, content in box.contents.items():
        assert found[member_name(lsid)] == content
    assert verify(tmp_path / "r", [key.identity]).verdict is Verdict.PASSED
    assert box.changes == []


def test_the_plain_tools_open_a_segment(tmp_path: Path, key: Key) -> None:
    box = box_with_sessions(3)
    extract(box, tmp_path / "r", key)
    (tmp_path / "identity").write_text(f"{key.identity}\n")
    command = f"age -d -i {tmp_path}/identity {tmp_path}/r/records-0001.tar.zst.age | zstd -dq | tar -x -C {tmp_path}"
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True)
    for lsid, content in box.contents.items():
        assert (tmp_path / member_name(lsid)).read_bytes() == content


def test_a_box_without_sessions_gives_an_empty_archive(tmp_path: Path, key: Key) -> None:
    archive = extract(factory_box(), tmp_path / "r", key)
    assert (archive.counts.sessions, archive.last_seq) == (0, 0)
    assert verify(tmp_path / "r").verdict is Verdict.PASSED


def test_called_again_nothing_is_fetched_twice(tmp_path: Path, key: Key) -> None:
    box = box_with_sessions()
    first = extract(box, tmp_path / "r", key)
    fetched = list(box.fetched)
    assert extract(box, tmp_path / "r", key) == first == open_archive(tmp_path / "r")
    assert box.fetched == fetched


def test_late_sessions_are_added_in_segments_of_their_own(tmp_path: Path, key: Key) -> None:
    box = box_with_sessions()
    before = extract(box, tmp_path / "r", key)
    box.add_session(500, "late", b"a late recording")
    assert before.missing(box.status().records).sessions == 1
    box.fetched.clear()
    after = extract(box, tmp_path / "r", key, before.last_seq)
    assert after.manifest.files[: len(before.manifest.files)] == before.manifest.files
    assert after.segments[-1].sessions == 1
    assert box.fetched == [("late", 0)]
    assert after.missing(box.status().records).sessions == 0


def test_a_hole_in_the_archive_is_refused(tmp_path: Path, key: Key) -> None:
    archive = extract(box_with_sessions(), tmp_path / "r", key)
    with pytest.raises(InputError, match=f"a hole after session {archive.last_seq}"):
        extract(box_with_sessions(), tmp_path / "r", key, after=archive.last_seq + 1)


def test_beginning_later_is_possible(tmp_path: Path, key: Key) -> None:
    box = box_with_sessions()
    archive = extract(box, tmp_path / "r", key, after=20)
    assert archive.segments[0].first_seq > 20
    assert archive.counts.sessions == sum(int(str(record["seq"])) > 20 for record in box.listed)


def _dies_at(chunk: int) -> Callable[[str, int], None]:
    seen = iter(range(chunk + 1))

    def before_chunk(lsid: str, offset: int) -> None:
        if next(seen, chunk) == chunk:
            raise PowerCutError

    return before_chunk


@pytest.fixture(scope="module")
def whole(key: Key, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """What an extraction gives that nobody interrupts."""
    return plain_hashes(extract(box_with_sessions(), tmp_path_factory.mktemp("whole") / "r", key))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.integers(0, 60), max_size=6))
def test_any_sequence_of_kills_leads_to_the_same_archive(
    kills: list[int], key: Key, whole: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("killed") / "r"
    box = box_with_sessions()
    for chunk in kills:
        box.before_chunk = _dies_at(chunk)
        listed = _listed(folder)
        box.fetched.clear()
        with contextlib.suppress(PowerCutError):
            extract(box, folder, key)
        assert not listed & {lsid for lsid, _ in box.fetched}  # what was on the disk was not fetched again
    box.before_chunk = lambda lsid, offset: None
    assert plain_hashes(extract(box, folder, key)) == whole
    assert verify(folder, [key.identity]).verdict is Verdict.PASSED


def _listed(folder: Path) -> set[str]:
    if not (folder / "manifest.json").exists():
        return set()
    last = open_archive(folder).last_seq
    return {str(record["lsid"]) for record in box_with_sessions().listed if int(str(record["seq"])) <= last}


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.backup.conftest import NOW
from tests.backup.small_box import box_with_sessions, quiet
from tests.backup.test_records import LIMITS
from toolkit.backup.records import extract_records

box = box_with_sessions()
left = int(sys.argv[3])
real = os.fsync

def fsync(descriptor):
    # every fsync is a moment at which something has just become durable, or is about to
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real(descriptor)

os.fsync = fsync
extract_records(box, Path(sys.argv[1]), [sys.argv[2]], 0, quiet, now=NOW, limits=LIMITS)
"""


def test_kill_9_at_moments_when_something_becomes_durable(
    tmp_path: Path, key: Key, whole: list[tuple[str, str]]
) -> None:
    for moment in (0, 1, 2, 3, 5, 8):
        command = [sys.executable, "-c", KILLED, str(tmp_path / "r"), key.recipient, str(moment)]
        ended = subprocess.run(command, check=False, capture_output=True, cwd=ROOT)
        assert ended.returncode in (0, -signal.SIGKILL), ended.stderr
    archive = extract(box_with_sessions(), tmp_path / "r", key)
    assert plain_hashes(archive) == whole
    assert verify(tmp_path / "r", [key.identity]).notes == ()


def test_a_connection_that_breaks_is_taken_up_where_it_broke(tmp_path: Path, key: Key) -> None:
    box = SmallBox()
    box.add_session(1, "long", os.urandom(50_000))
    breaks = {4096, 20_480, 49_152}

    def break_once(lsid: str, offset: int) -> None:
        if offset in breaks:
            breaks.remove(offset)
            raise DeadLineError

    box.before_chunk = break_once
    archive = extract(box, tmp_path / "r", key)
    assert box.fetched == [("long", 0), ("long", 4096), ("long", 20_480), ("long", 49_152)]
    assert contents(archive, key)[member_name("long")] == box.contents["long"]


def test_a_box_that_stays_away_ends_it_and_what_is_there_stays(tmp_path: Path, key: Key) -> None:
    box = box_with_sessions()

    def gone(lsid: str, offset: int) -> None:
        if len(box.fetched) > 12:
            raise DeadLineError

    box.before_chunk = gone
    with pytest.raises(UnreachableError):
        extract(box, tmp_path / "r", key)
    done = open_archive(tmp_path / "r")
    assert done.segments
    assert not done.manifest.complete
    assert not list((tmp_path / "r").glob("*.part"))


def test_a_recording_that_is_not_what_the_box_announced_stops_it_until_it_is_left_out_by_name(
    tmp_path: Path, key: Key
) -> None:
    box = SmallBox()
    box.add_session(1, "good", b"fine")
    box.add_session(2, "bad", b"rotten")
    box.announced["bad"] = (6, hashlib.sha256(b"intact").hexdigest())
    with pytest.raises(VerificationError, match="session bad is not what the box announced"):
        extract(box, tmp_path / "r", key)
    archive = extract_records(
        box, tmp_path / "r", [key.recipient], 0, quiet, now=NOW, limits=LIMITS, without=frozenset({"bad"})
    )
    assert (archive.counts.sessions, archive.counts.recordings, archive.left_out) == (2, 1, 1)
    assert archive.missing(box.status().records).recordings == 0
    assert member_name("bad") not in contents(archive, key)


def test_a_segment_that_is_gone_is_noticed_before_anything_is_added(tmp_path: Path, key: Key) -> None:
    extract(box_with_sessions(), tmp_path / "r", key)
    (tmp_path / "r" / "records-0002.tar.zst.age").unlink()
    with pytest.raises(BackupError, match=r"records-0002\.tar\.zst\.age: it is missing"):
        extract(box_with_sessions(), tmp_path / "r", key)


def test_another_box_is_refused(tmp_path: Path, key: Key) -> None:
    extract(box_with_sessions(), tmp_path / "r", key)
    with pytest.raises(InputError, match="the records of box BX-0001"):
        extract(replace(box_with_sessions(), serial_number="BX-0009"), tmp_path / "r", key)


def test_a_second_extraction_into_the_folder_is_refused(tmp_path: Path, key: Key) -> None:
    box = box_with_sessions()
    refused: list[str] = []

    def meanwhile(lsid: str, offset: int) -> None:
        if not refused:
            with pytest.raises(RefusedError) as caught:
                extract(box_with_sessions(), tmp_path / "r", key)
            refused.append(str(caught.value))

    box.before_chunk = meanwhile
    extract(box, tmp_path / "r", key)
    assert "another process is writing" in refused[0]


class DisorderedBox(SmallBox):
    """Answers every page with the first one."""

    def sessions(self, after: int, limit: int) -> SessionPage:
        return SessionPage(sessions=super().sessions(0, 2).sessions, next_after=after + 1)


def test_a_box_that_repeats_itself_does_not_keep_us_for_ever(tmp_path: Path, key: Key) -> None:
    box = DisorderedBox()
    box.listed = box_with_sessions().listed
    with pytest.raises(VerificationError, match="out of order"):
        extract(box, tmp_path / "r", key)


FULL = """
import sys
from pathlib import Path
from tests.backup.conftest import NOW
from tests.backup.small_box import box_with_sessions, quiet
from tests.backup.test_records import LIMITS
from toolkit.backup import age
from toolkit.backup.records import extract_records, open_archive
from toolkit.backup.verification import verify
from toolkit.model.errors import StorageError

folder = Path(sys.argv[1]) / "r"
box = box_with_sessions()
try:
    extract_records(box, folder, [age.new_identity()[1]], 0, quiet, now=NOW, limits=LIMITS)
except StorageError as error:
    print(error)
verify(folder)
archive = open_archive(folder)
print(len(archive.segments), archive.manifest.complete, box.changes, list(folder.glob(".*.part")))
"""


def test_on_a_full_disk_whole_segments_stay_and_nothing_looks_whole_that_is_not(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=300k rebox-test "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-Urm", "sh", "-ec", script, "sh", str(tmp_path), sys.executable, FULL]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.splitlines()
    assert "No space left on device" in said[0]
    segments, rest = said[1].split(" ", 1)
    assert int(segments) > 0
    assert rest == "False [] []"
