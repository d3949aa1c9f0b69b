"""Partition tables as sfdisk writes them, and as nobody would."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.disks.partitions import Partition, partitions
from toolkit.disks.refusal import Failed

MIB = 1 << 20


@pytest.mark.parametrize("table", ["dos", "gpt"])
def test_what_sfdisk_made_is_found(tmp_path: Path, table: str) -> None:
    disk = tmp_path / "disk.img"
    with disk.open("wb") as file:
        file.truncate(20 * MIB)
    words = ["/usr/sbin/sfdisk", "--quiet", str(disk)]
    subprocess.run(words, input=f"label: {table}\nsize=2MiB\nsize=4MiB\n", text=True, check=True)
    assert partitions(disk) == [Partition(MIB, 2 * MIB), Partition(3 * MIB, 4 * MIB)]


def test_a_disk_without_a_table_has_none_and_one_that_is_not_there_fails(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "zeros").write_bytes(bytes(MIB))
    assert partitions(tmp_path / "empty") == partitions(tmp_path / "zeros") == []
    with pytest.raises(Failed, match="absent"):
        partitions(tmp_path / "absent")


@given(
    entries=st.binary(min_size=64, max_size=64),
    header=st.binary(max_size=600),
    protective=st.booleans(),
)
def test_any_bytes_give_partitions_that_lie_within_the_disk(
    tmp_path_factory: pytest.TempPathFactory, entries: bytes, header: bytes, protective: bool
) -> None:
    disk = tmp_path_factory.mktemp("disk") / "disk.img"
    if protective:
        entries, header = b"\0\0\0\0\xee" + entries[5:], b"EFI PART" + header
    disk.write_bytes(bytes(446) + entries + b"\x55\xaa" + header.ljust(64 << 10, b"\1"))
    for part in partitions(disk):
        assert 0 < part.offset_bytes < part.offset_bytes + part.size_bytes <= disk.stat().st_size
    disk.unlink()
