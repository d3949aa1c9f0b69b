"""A disk under the installer's hands: what is read is what lies there, wherever it begins and ends."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.disks.device import MARK, Device
from toolkit.disks.pieces import PIECE
from toolkit.disks.refusal import Failed

# as large as no number of 4 KiB blocks
CONTENT = b"".join(number.to_bytes(4, "big") for number in range(1000)) * 3 + b"end"


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("disk") / "disk.raw"
    path.write_bytes(CONTENT)
    return path


@given(offset=st.integers(0, len(CONTENT)), size=st.integers(0, len(CONTENT)))
def test_any_part_of_a_disk_is_read_as_it_lies_there_and_none_beyond_its_end(
    disk: Path, offset: int, size: int
) -> None:
    with Device.open(disk, len(CONTENT)) as device:
        if size and offset + size > len(CONTENT):
            with pytest.raises(Failed, match=f"ends at byte {len(CONTENT):,}"):
                device.read(offset, size)
        else:
            assert device.read(offset, size) == CONTENT[offset : offset + size]


@given(offset=st.integers(0, 9000), size=st.integers(0, 9000))
def test_zeros_go_where_they_are_meant_to_and_nowhere_else(
    tmp_path_factory: pytest.TempPathFactory, offset: int, size: int
) -> None:
    path = tmp_path_factory.mktemp("disk") / "disk.raw"
    path.write_bytes(b"\xff" * 18_000)
    with Device.open(path, 18_000) as device:
        device.overwrite(offset, size)
        device.settle()
        assert device.read(0, 18_000) == b"\xff" * offset + bytes(size) + b"\xff" * (18_000 - offset - size)
    assert path.stat().st_size == 18_000


def test_a_job_that_was_cut_off_is_known_by_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(b"\xff" * 3 * PIECE)
    with Device.open(path, 3 * PIECE) as device:
        assert not device.begun()
        device.mark()
        assert device.begun()
        assert device.read(2 * PIECE, PIECE) == bytes(PIECE), "no second partition table is left at the end"
    assert path.read_bytes().startswith(MARK)


@given(place=st.integers(0, 3 * PIECE - 1) | st.sampled_from([0, PIECE - 1, PIECE, 3 * PIECE - 1]), data=st.data())
def test_the_first_byte_that_is_left_is_found_in_whatever_order_it_is_looked_for(
    tmp_path_factory: pytest.TempPathFactory, place: int, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("disk") / "disk.raw"
    with path.open("wb") as file:
        file.truncate(3 * PIECE)
        file.seek(place)
        file.write(b"k")
    begin = data.draw(st.integers(0, 3 * PIECE - 1))
    spans = [(0, begin), (begin, 3 * PIECE - begin)]
    told: list[int] = []
    with Device.open(path, 3 * PIECE) as device:
        assert device.first_left([span for span in spans if span[1]], told.append) == place
        assert told[-1] == place, "what was read before it was zero"
        assert device.first_left([(0, place)], told.append) is None
