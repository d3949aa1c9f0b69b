"""Run folders: whole or not there, found by id, beginning or `latest`."""

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from toolkit.evidence.run_directory import (
    create_run_directory,
    find_run_directory,
    list_run_directories,
    make_run_id,
)
from toolkit.model.errors import InputError, StorageError
from toolkit.storage.whole_file import write_whole

FILES = {"run.json": b"{}", "plan.json": b"{}"}


def test_an_id_says_when_and_what_for() -> None:
    now = datetime(2026, 11, 22, 19, 45, 1, tzinfo=UTC)
    assert make_run_id(now, "Support.Example.NET", "3fa9") == "20261122-194501-support-example-net-3fa9"
    assert make_run_id(now, "../../etc", "1") == "20261122-194501-etc-1"
    assert make_run_id(now, "例え", "1") == "20261122-194501-site-1"


def test_latest_points_at_the_newest(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    create_run_directory(runs, "20261122-a", FILES)
    newest = create_run_directory(runs, "20261123-b", {**FILES, "inventory.toml": b"x = 1\n"})
    assert (runs / "latest").resolve() == newest
    assert (newest / "inventory.toml").read_bytes() == b"x = 1\n"
    assert [path.name for path in list_run_directories(runs)] == ["20261122-a", "20261123-b"]
    assert sorted(path.name for path in runs.iterdir()) == ["20261122-a", "20261123-b", "latest"]


def test_a_run_is_found_by_id_beginning_or_latest(tmp_path: Path) -> None:
    for name in ("20261122-a", "20261123-b"):
        create_run_directory(tmp_path, name, FILES)
    assert find_run_directory(tmp_path, "20261122-a").name == "20261122-a"
    assert find_run_directory(tmp_path, "20261123").name == "20261123-b"
    assert find_run_directory(tmp_path, "latest").name == "20261123-b"
    for wrong, why in (("2026", "fits 2 runs"), ("x", "no run 'x'"), ("", "no run"), ("..", "no run"), ("/", "no run")):
        with pytest.raises(InputError, match=why):
            find_run_directory(tmp_path, wrong)
    assert list_run_directories(tmp_path / "nowhere") == []


def test_a_full_disk_leaves_no_half_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        create_run_directory(tmp_path / "runs", "r", FILES)
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_file_is_replaced_whole_or_stays_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    write_whole(path, b"old")
    with monkeypatch.context() as patch:

        def full(descriptor: int) -> None:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"f.*quota.*Free space"):
            write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [other.name for other in tmp_path.iterdir()] == ["f"]
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
