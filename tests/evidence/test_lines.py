"""Append-only lines: whole or not there, and chained."""

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.evidence.lines import AppendOnlyLines, read_lines
from toolkit.model.errors import StorageError

records = st.lists(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()), max_size=5).map(
    lambda found: [{key: value for key, value in record.items() if key not in ("number", "chain")} for record in found]
)


@settings(deadline=None)  # it waits for the disk
@given(records, st.data())
def test_cut_at_any_byte_the_whole_lines_stay_and_writing_goes_on(
    tmp_path_factory: pytest.TempPathFactory, content: list[dict[str, object]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("lines") / "f.jsonl"
    with AppendOnlyLines(path) as lines:
        for record in content:
            lines.append(record)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])

    kept = whole[:cut].count(b"\n")
    torn = cut - sum(len(line) + 1 for line in whole.split(b"\n")[:kept])
    assert [*read_lines(path).records] == content[:kept]
    with AppendOnlyLines(path) as lines:
        assert [*lines.reading.records] == content[:kept]
        assert lines.reading.torn_bytes == torn
        assert path.stat().st_size == cut  # opened or read, nothing is changed: that it was torn must not be forgotten
        lines.append({"next": 1})
    assert [*read_lines(path).records] == [*content[:kept], {"next": 1}]
    assert read_lines(path).torn_bytes == 0


def test_a_last_line_of_zeros_is_torn_and_a_damaged_one_before_it_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    with AppendOnlyLines(path) as lines:
        for number in range(3):
            lines.append({"a": number})
    first, second, third = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b"\0" * 20 + b"\n")
    reading = read_lines(path)
    assert (reading.records, reading.torn_bytes, reading.broken) == (({"a": 0},), 21, None)
    for damaged in (first + b"nonsense\n" + third, first + second.replace(b'"a":1', b'"a":3') + third):
        path.write_bytes(damaged)
        reading = read_lines(path)
        assert reading.records == ({"a": 0},)
        assert reading.broken is not None
        assert reading.broken.line == 2


def test_a_torn_line_longer_than_what_takes_its_place_is_gone_then(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(b"x" * 1000)
    with AppendOnlyLines(path) as lines:
        lines.append({"a": 1})
        lines.append({"b": 2})
    reading = read_lines(path)
    assert (reading.records, reading.torn_bytes) == (({"a": 1}, {"b": 2}), 0)


def test_a_full_disk_is_named_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.jsonl"
    really_write = os.pwrite

    def almost_full(descriptor: int, content: bytes, offset: int) -> int:
        if len(content) < 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really_write(descriptor, content[:-3], offset)

    with AppendOnlyLines(path) as lines:
        lines.append({"a": 1})
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", almost_full)
            with pytest.raises(StorageError, match=r"f\.jsonl.*disk is full.*Free space"):
                lines.append({"text": "long enough to be taken in part"})
        lines.append({"b": 2})
    told = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["number"], line.get("a"), line.get("b")) for line in told] == [(1, 1, None), (2, None, 2)]
    assert read_lines(path).broken is None


def test_on_a_full_disk_room_is_asked_for_and_the_line_written_when_there_is_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, asked = [True], []
    really_write = os.pwrite

    def write(descriptor: int, content: bytes, offset: int) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really_write(descriptor, content, offset)

    def make_room() -> bool:
        asked.append(1)
        full[0] = len(asked) < 3
        return len(asked) < 4

    monkeypatch.setattr(os, "pwrite", write)
    with AppendOnlyLines(tmp_path / "f.jsonl", make_room=make_room, then="go on back") as lines:
        lines.append({"a": 1})
        assert len(asked) == 3
        full[0] = True
        with pytest.raises(StorageError, match=r"then go on back\."):
            lines.append({"b": 2})
    assert read_lines(tmp_path / "f.jsonl").records == ({"a": 1},)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        AppendOnlyLines(tmp_path / "missing" / "f.jsonl")
    assert read_lines(tmp_path / "missing" / "f.jsonl").records == ()
