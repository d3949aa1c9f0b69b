"""The three files arrive whole, or what was there before stays."""

import errno
import os
from pathlib import Path

import pytest

from tests.report.samples import Sample, recorded
from toolkit.model.errors import StorageError
from toolkit.model.run_report import RunReport
from toolkit.report import write_report


def write(sample: Sample, folder: Path) -> None:
    write_report(sample.report, iter(sample.evidence), sample.plan, folder)


def test_a_runs_folder_gets_three_files_and_nothing_else(tmp_path: Path) -> None:
    sample = recorded("migrated")
    write(sample, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json", "runbook.md"]
    assert RunReport.model_validate_json((tmp_path / "report.json").read_text()) == sample.report
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o644


def test_the_same_run_makes_the_same_files(tmp_path: Path) -> None:
    sample = recorded("went-back")
    write(sample, tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write(sample, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_the_page_links_to_what_lies_beside_it(tmp_path: Path) -> None:
    sample = recorded("migrated")
    (tmp_path / "evidence.jsonl").touch()
    write(sample, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert '<a href="evidence.jsonl">' in page
    assert "capture.pcapng" not in page


def test_a_full_disk_is_named_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = recorded("migrated")
    (tmp_path / "report.json").write_text("earlier")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left") as raised:
        write(sample, tmp_path)
    assert raised.value.where == str(tmp_path / "report.json")
    assert str(tmp_path) in raised.value.next_move
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert (tmp_path / "report.json").read_text() == "earlier"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as raised:
        write(recorded("migrated"), tmp_path / "gone")
    assert "gone" in raised.value.where
