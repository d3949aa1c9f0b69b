"""A medium read again: every byte that is left is found, and no other medium is read in its place.

Image files stand for disks, which is all the same to who reads; loop devices are in `tests/cli/test_reset_records.py`.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reset.erasures import an_erasure
from toolkit.disks.facts import Disk
from toolkit.disks.sampling import samples
from toolkit.model.errors import InputError, ReboxError, RefusedError, UnknownStateError
from toolkit.model.verdict import Verdict
from toolkit.reset.erasure import Erasure
from toolkit.reset.rereading import Rereading, find_medium, name_medium, read_again

SIZE = 9 << 20
SERIAL = "S5GYNX0T100001"


def recorded(**changed: Any) -> Erasure:
    return an_erasure(**{"capacity_bytes": SIZE, "verified_bytes": SIZE, "wwn": "", **changed})


def image(folder: Path, size: int = SIZE) -> Path:
    path = folder / "disk.img"
    with path.open("wb") as file:
        file.truncate(size)
    return path


def read(path: Path, erasure: Erasure, *, sample: bool = False) -> Rereading:
    return read_again(erasure, name_medium(erasure, path, SERIAL), sample=sample, progress=lambda _: None)


def test_a_medium_with_nothing_on_it_passes_again(tmp_path: Path) -> None:
    again = read(image(tmp_path), recorded())
    assert (again.verdict, again.bytes_read, again.first_byte) == (Verdict.PASSED, SIZE, None)
    assert "your word" in again.identified


@given(place=st.sampled_from([0, 1, SIZE - 1, (4 << 20) - 1, 4 << 20]) | st.integers(0, SIZE - 1))
@settings(max_examples=30)
def test_the_first_byte_that_is_left_is_named_wherever_it_is(
    tmp_path_factory: pytest.TempPathFactory, place: int
) -> None:
    path = image(tmp_path_factory.mktemp("left"))
    with path.open("r+b") as disk:
        disk.seek(place)
        disk.write(b"k")
    again = read(path, recorded())
    assert (again.verdict, again.first_byte) == (Verdict.FAILED, place)
    assert "taken into use again" in again.reason


def test_the_same_sample_is_read_again_and_nothing_else(tmp_path: Path) -> None:
    erasure = recorded(verification="sampled", sample_seed="5eed", verified_bytes=1 << 20)
    spans = samples(SIZE, 512, "5eed")
    inside = next(at for at, _ in spans if at > 1 << 20)
    outside = next(at + size for at, size in spans if at > 1 << 20)
    path = image(tmp_path)
    for place, verdict in ((outside, Verdict.PASSED), (inside, Verdict.FAILED)):
        with path.open("r+b") as disk:
            disk.seek(place)
            disk.write(b"k")
        assert read(path, erasure, sample=True).verdict is verdict
    assert read(path, erasure).first_byte == inside
    with pytest.raises(InputError, match="names no sample"):
        read(path, recorded(), sample=True)


def test_a_medium_that_cannot_be_read_to_its_end_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a disk cannot be had here: the system's own call fails as it would."""
    real = os.preadv

    def failing(descriptor: int, buffers: Any, offset: int) -> int:
        if offset >= 4 << 20:
            raise OSError(5, "Input/output error")
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", failing)
    again = read(image(tmp_path), recorded())
    assert (again.verdict, again.bytes_read) == (Verdict.UNKNOWN, 4 << 20)
    assert "cannot be read at byte 4,194,304" in again.reason


def other_size(folder: Path) -> tuple[Path, str | None]:
    return image(folder, SIZE - 512), SERIAL


def no_word(folder: Path) -> tuple[Path, str | None]:
    return image(folder), None


def another_serial(folder: Path) -> tuple[Path, str | None]:
    return image(folder), "S5GYNX0T100002"


@pytest.mark.parametrize("case", [other_size, no_word, another_serial])
def test_what_is_not_known_to_be_the_medium_is_not_read(
    tmp_path: Path, case: Callable[[Path], tuple[Path, str | None]]
) -> None:
    path, said = case(tmp_path)
    with pytest.raises(RefusedError):
        name_medium(recorded(), path, said)


@pytest.mark.parametrize("name", ["missing.img", "."])
def test_what_is_no_medium_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as refused:
        name_medium(recorded(), tmp_path / name, SERIAL)
    assert str(tmp_path) in refused.value.where


def test_an_image_whose_path_is_recorded_needs_nobodys_word(tmp_path: Path) -> None:
    path = image(tmp_path)
    erasure = recorded(serial_number="", backing_file=str(path.resolve()))
    assert "tells itself" in name_medium(erasure, path, None).identified


DISK = Disk("sdx", SERIAL, "SSD 870", SIZE, read_only=False, removable=False, wwn="naa.1")


def test_a_disk_is_found_by_all_that_it_tells() -> None:
    found = find_medium(recorded(wwn="naa.1"), [replace(DISK, name="sdy", serial="OTHER"), DISK])
    assert found is not None
    assert found.path == Path("/dev/sdx")
    assert find_medium(recorded(), [replace(DISK, serial="OTHER"), replace(DISK, serial="")]) is None


@pytest.mark.parametrize(
    "there",
    [[DISK, replace(DISK, name="sdy")], [replace(DISK, size_bytes=SIZE + 512)], [replace(DISK, wwn="naa.2")]],
)
def test_a_disk_that_could_be_another_is_unknown(there: list[Disk]) -> None:
    with pytest.raises(UnknownStateError) as unknown:
        find_medium(recorded(wwn="naa.1"), there)
    error: ReboxError = unknown.value
    assert "/dev/sdx" in error.where
