"""The disk for the box's data: never the wrong one, and never one that holds anything."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.emulator.appliance.machine.block_devices import BlockDevice, is_blank, label
from toolkit.emulator.appliance.machine.data_disk import DATA_LABEL, labelled, new_data_disk
from toolkit.model.errors import InputError

SIZE = 4 << 20


def disk(folder: Path, name: str, serial: str = "", content: bytes = b"", at: int = 0) -> BlockDevice:
    path = folder / name
    with path.open("wb") as file:
        file.truncate(SIZE)
        file.seek(at)
        file.write(content)
    return BlockDevice(path, serial, SIZE, is_partition=False)


def formatted(folder: Path, name: str, text: str) -> BlockDevice:
    made = disk(folder, name)
    subprocess.run(["/usr/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-L", text, made.path], check=True)
    return made


def test_labels_are_read_from_what_other_programs_wrote(tmp_path: Path) -> None:
    assert label(formatted(tmp_path, "a", DATA_LABEL).path) == ("ext4", DATA_LABEL)
    for bits in ("12", "16"):
        fat = disk(tmp_path, f"fat{bits}", at=16 << 20, content=b"\0")
        subprocess.run(
            ["/usr/sbin/mkfs.vfat", "-F", bits, "-n", "REBOX-SEED", fat.path], check=True, capture_output=True
        )
        assert label(fat.path) == ("vfat", "REBOX-SEED")
    (tmp_path / "order.json").write_text("{}")
    iso = tmp_path / "seed.iso"
    subprocess.run(
        ["xorriso", "-as", "mkisofs", "-quiet", "-V", "REBOX-SEED", "-o", iso, tmp_path / "order.json"],
        check=True, capture_output=True,
    )  # fmt: skip
    assert label(iso) == ("iso9660", "REBOX-SEED")
    assert label(disk(tmp_path, "blank").path) is None


def test_a_blank_disk_with_the_right_serial_number_is_prepared_and_then_recognised(tmp_path: Path) -> None:
    ours, other = disk(tmp_path, "vdb", "rebox-data"), disk(tmp_path, "vdc", "somebody-else")
    chosen = new_data_disk([other, ours], "rebox-data")
    assert chosen is ours
    assert labelled([other, ours], DATA_LABEL) is ours
    assert is_blank(other)


def test_a_partition_set_aside_for_the_data_is_taken_and_the_rest_of_its_disk_is_left_alone(tmp_path: Path) -> None:
    system = disk(tmp_path, "vda", "system", b"partition table")
    root = replace(disk(tmp_path, "vda2", "system", b"files"), is_partition=True, name="root")
    ours = replace(disk(tmp_path, "vda4", "system"), is_partition=True, name=DATA_LABEL)
    before = [one.path.read_bytes() for one in (system, root)]
    assert new_data_disk([system, root, ours], "system") is ours
    assert labelled([system, root, ours], DATA_LABEL) is ours
    assert [one.path.read_bytes() for one in (system, root)] == before
    used = replace(disk(tmp_path, "vda4", "system", b"old data"), is_partition=True, name=DATA_LABEL)
    with pytest.raises(InputError, match="not blank"):
        new_data_disk([system, root, used], "system")


@pytest.mark.parametrize("at", [0, 510, SIZE - 512])
def test_a_disk_that_holds_anything_is_left_alone(tmp_path: Path, at: int) -> None:
    used = disk(tmp_path, "vdb", "rebox-data", b"partition table or RAID", at)
    before = used.path.read_bytes()
    with pytest.raises(InputError, match="not blank"):
        new_data_disk([used], "rebox-data")
    assert used.path.read_bytes() == before


def test_no_disk_or_two_with_the_serial_number_is_refused_and_says_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none has the serial number rebox-data.*vdb \(abc\)|vdb \(abc\).*none has"):
        new_data_disk([disk(tmp_path, "vdb", "abc")], "rebox-data")
    twins = [disk(tmp_path, name, "rebox-data") for name in ("vdb", "vdc")]
    with pytest.raises(InputError, match="several have"):
        new_data_disk(twins, "rebox-data")
    assert all(is_blank(one) for one in twins)


def test_two_disks_with_the_label_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="several disks are labelled rebox-data"):
        labelled([formatted(tmp_path, name, DATA_LABEL) for name in ("vdb", "vdc")], DATA_LABEL)
