"""Append-only lines: whole or not there."""

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.evidence.lines import AppendOnlyLines, read_lines
from toolkit.model.errors import StorageError

records = st.lists(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()), max_size=5)


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
    assert read_lines(path) == content[:kept]
    assert path.stat().st_size == cut  # a reader changes nothing
    with AppendOnlyLines(path) as lines:
        assert lines.existing == content[:kept]
        assert lines.repaired_bytes == cut - sum(len(line) + 1 for line in whole.split(b"\n")[:kept])
        lines.append({"next": 1})
    assert read_lines(path) == [*content[:kept], {"next": 1}]


def test_a_last_line_of_zeros_is_cut_off_and_a_damaged_one_before_it_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_bytes(b'{"a":1}\n' + b"\0" * 20 + b"\n")
    assert read_lines(path) == [{"a": 1}]
    with AppendOnlyLines(path) as lines:
        assert lines.repaired_bytes == 21
    path.write_bytes(b'{"a":1}\nnonsense\n{"b":2}\n')
    with pytest.raises(StorageError, match="line 2 is damaged"):
        read_lines(path)
    with pytest.raises(StorageError, match="line 2 is damaged"):
        AppendOnlyLines(path)


def test_a_full_disk_is_named_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f.jsonl"
    really_write = os.write

    def almost_full(descriptor: int, content: bytes) -> int:
        if len(content) < 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return really_write(descriptor, content[:-3])

    with AppendOnlyLines(path) as lines:
        lines.append({"a": 1})
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", almost_full)
            with pytest.raises(StorageError, match=r"f\.jsonl.*disk is full.*Free space"):
                lines.append({"text": "long enough to be taken in part"})
        lines.append({"b": 2})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"a": 1}, {"b": 2}]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        AppendOnlyLines(tmp_path / "missing" / "f.jsonl")
    assert read_lines(tmp_path / "missing" / "f.jsonl") == []
