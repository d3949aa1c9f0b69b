"""The manifest tells what a folder holds, and when somebody changed it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backup.conftest import NOW
from tests.backup.small_box import SmallBox
from toolkit.backup.manifest import (
    FORMAT,
    Manifest,
    SealedFile,
    check_same,
    find_manifest,
    new_manifest,
    parse,
    read_manifest,
    render,
    write_manifest,
)
from toolkit.model.errors import BackupError, InputError


def manifest() -> Manifest:
    return new_manifest("settings", SmallBox().status(), ["age1recipient"], NOW)


def test_it_says_what_from_which_box_when_and_for_whom() -> None:
    fields = json.loads(render(manifest()))
    assert fields["kind"] == "settings"
    assert fields["format"] == FORMAT
    assert fields["made_by"].startswith("rebox ")
    assert fields["created"] == "2026-03-01T12:00:00Z"
    assert fields["source"]["serial_number"] == "BX-0001"
    assert fields["source"]["site_version"] == "Bomgar-12.2.0"
    assert fields["recipients"] == ["age1recipient"]


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    assert find_manifest(tmp_path) is None
    write_manifest(tmp_path, manifest())
    assert read_manifest(tmp_path, "settings") == manifest()
    with pytest.raises(BackupError, match="a backup of settings, not of records"):
        read_manifest(tmp_path, "records")


@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7) | st.none())
def test_any_altered_bit_and_any_cut_shows(position: float, bit: int | None) -> None:
    whole = render(manifest())
    at = int(position * len(whole))
    damaged = whole[:at] if bit is None else whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :]
    with pytest.raises(BackupError, match=r"backups/manifest\.json: the manifest is damaged"):
        parse(damaged, "backups/manifest.json")


@given(st.binary(max_size=60) | st.recursive(st.integers() | st.text(), st.lists).map(lambda x: json.dumps(x).encode()))
def test_anything_else_is_damaged_too(content: bytes) -> None:
    with pytest.raises(BackupError, match="damaged"):
        parse(content, "manifest.json")


def test_a_newer_format_is_told_from_damage() -> None:
    newer = manifest().model_copy(update={"format": FORMAT + 1})
    with pytest.raises(BackupError, match="made by a newer rebox"):
        parse(render(newer), "manifest.json")


def test_a_file_name_is_never_a_path() -> None:
    file = SealedFile(name="x", holds="settings", size_bytes=1, sha256="", plain_size_bytes=1, plain_sha256="")
    crafted = manifest().model_copy(update={"files": (file.model_copy(update={"name": "../x"}),)})
    with pytest.raises(BackupError, match="cannot be understood"):
        parse(render(crafted), "manifest.json")


def test_a_folder_without_one_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="there is no backup here"):
        read_manifest(tmp_path)
    with pytest.raises(BackupError, match="there is no backup here"):
        read_manifest(tmp_path / "gone")


def test_another_box_and_other_recipients_are_refused(tmp_path: Path) -> None:
    mine = manifest()
    check_same(mine, SmallBox().status(), ["age1recipient"], tmp_path)
    with pytest.raises(InputError, match="the settings of box BX-0001"):
        check_same(mine, SmallBox(serial_number="BX-0009").status(), ["age1recipient"], tmp_path)
    with pytest.raises(InputError, match="encrypted to other recipients"):
        check_same(mine, SmallBox().status(), ["age1other"], tmp_path)


def test_times_are_kept_with_their_zone(tmp_path: Path) -> None:
    write_manifest(tmp_path, manifest())
    assert read_manifest(tmp_path).created == datetime(2026, 3, 1, 12, tzinfo=UTC)
