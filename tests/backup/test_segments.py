"""How records are cut and laid out: the same however often one starts anew, and readable by tar."""

import hashlib
import io
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from toolkit.backup.segments import (
    Kept,
    Limits,
    Session,
    cut,
    digest,
    index,
    lay_out,
    member_name,
    members,
    read_index,
    read_session,
    summary,
)
from toolkit.model.errors import BackupError, VerificationError


def session(seq: int, lsid: str, content: bytes | None) -> Session:
    recording: JsonValue = None
    if content is not None:
        recording = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return read_session({"seq": seq, "lsid": lsid, "customer": "Zoë", "recording": recording}, "old")


def laid_out(*contents: tuple[str, bytes | None]) -> bytes:
    by_lsid = dict(contents)
    sessions = [session(number, lsid, content) for number, (lsid, content) in enumerate(contents, start=1)]
    return b"".join(lay_out(sessions, lambda one: [by_lsid[one.lsid] or b""]))


contents = st.lists(
    st.tuples(st.text(min_size=1, max_size=120), st.none() | st.binary(max_size=2000)),
    min_size=1,
    max_size=8,
    unique_by=lambda pair: pair[0],
)


@given(contents)
def test_every_session_and_recording_comes_back_whatever_its_id(pairs: list[tuple[str, bytes | None]]) -> None:
    found = {name: content.read() for name, _, content in members(io.BytesIO(laid_out(*pairs)), "x")}
    listing = [json.loads(line) for line in found.pop("sessions.jsonl").splitlines()]
    assert [record["lsid"] for record in listing] == [lsid for lsid, _ in pairs]
    assert found == {member_name(lsid): content for lsid, content in pairs if content is not None}


@pytest.mark.parametrize("lsid", ["..", "../../etc/passwd", "/root", "a/b", "x" * 200, "ção"])
def test_tar_unpacks_it_below_the_folder_whatever_the_id(tmp_path: Path, lsid: str) -> None:
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-x", "-C", tmp_path / "out"], input=laid_out((lsid, b"content")), check=True)
    (recording,) = (tmp_path / "out" / "recordings").iterdir()
    assert recording.read_bytes() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@given(
    sizes=st.lists(st.none() | st.integers(0, 50), max_size=40),
    starts=st.lists(st.integers(0, 40), max_size=5),
    limits=st.builds(Limits, recording_bytes=st.integers(1, 60), sessions=st.integers(1, 9)),
)
def test_starting_anew_after_any_whole_segment_gives_the_same_segments(
    sizes: list[int | None], starts: list[int], limits: Limits
) -> None:
    sessions = [
        session(number, f"s{number}", None if size is None else bytes(size))
        for number, size in enumerate(sizes, start=1)
    ]
    whole = list(cut(sessions, limits))
    assert [one for segment in whole for one in segment] == sessions
    for start in starts:
        done = whole[: start % (len(whole) + 1)]
        after = done[-1][-1].seq if done else 0
        assert done + list(cut([one for one in sessions if one.seq > after], limits)) == whole


def test_a_segment_ends_when_it_is_full_and_a_large_recording_is_not_cut_in_two() -> None:
    sessions = [session(number, f"s{number}", bytes(size)) for number, size in enumerate([10, 5, 99, 1, 1, 1], start=1)]
    found = cut(sessions, Limits(recording_bytes=15, sessions=2))
    assert [[one.seq for one in segment] for segment in found] == [[1, 2], [3], [4, 5], [6]]


@pytest.mark.parametrize("content", [b"", b"contenX", b"conten", b"content and more"])
def test_a_recording_that_is_not_what_was_announced_is_refused(content: bytes) -> None:
    announced = session(1, "s1", b"content")
    with pytest.raises(VerificationError, match="the recording of session s1 is not what the box announced"):
        b"".join(lay_out([announced], lambda _: [content]))


def test_the_index_says_what_is_there_and_what_was_left_out() -> None:
    sessions = [session(1, "a", b"1"), session(2, "b", b"2"), session(3, "c", None)]
    lines = b"".join(index(sessions, Kept(lambda one: one.lsid == "b")))
    entries = list(read_index(io.BytesIO(lines), "x"))
    assert [(entry.lsid, entry.recording is not None, entry.left_out) for entry in entries] == [
        ("a", True, False),
        ("b", False, True),
        ("c", False, False),
    ]
    held = summary(sessions, Kept(lambda one: one.lsid == "b"))
    assert (held.first_seq, held.last_seq, held.sessions, held.recordings, held.left_out) == (1, 3, 3, 1, 1)


def test_an_index_or_a_tar_of_something_else_is_named_with_its_place() -> None:
    with pytest.raises(BackupError, match="x:1: the index cannot be understood"):
        list(read_index(io.BytesIO(b"{}\n"), "x"))
    with pytest.raises(BackupError, match="x: the segment cannot be understood"):
        list(members(io.BytesIO(b"no tar at all" * 100), "x"))


def test_two_boxes_number_the_same_session_differently_and_it_is_the_same() -> None:
    record: dict[str, JsonValue] = {"lsid": "a", "customer": "Ana", "seq": 1, "recording": {"size_bytes": 1}}
    assert digest(record) == digest({"customer": "Ana", "lsid": "a", "seq": 99})
    assert digest(record) != digest({**record, "customer": "Eva"})


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"seq": 1},
        {"seq": "first", "lsid": "a"},
        {"seq": 1, "lsid": ""},
        {"seq": 1, "lsid": "a", "recording": {"size_bytes": -1, "sha256": "0" * 64}},
        {"seq": 1, "lsid": "a", "recording": {"size_bytes": 1, "sha256": "short"}},
    ],
)
def test_a_session_record_that_makes_no_sense_is_refused(record: dict[str, JsonValue]) -> None:
    with pytest.raises(VerificationError, match="old: a session record cannot be understood"):
        read_session(record, "old")
