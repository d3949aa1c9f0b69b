"""Our reader of FAT against mtools and mkfs.fat, which know nothing of it; and against volumes that are damaged."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.disks.block_devices import run
from toolkit.disks.fat import Entry, FatReader
from toolkit.disks.liveness import LiveDevice
from toolkit.disks.refusal import Failed
from toolkit.disks.volumes import Damaged

CONTENT = random.Random(1).randbytes(700_001)


def volume(folder: Path, bits: int, *, cluster: int = 1) -> Path:
    path = folder / f"fat{bits}.img"
    with path.open("wb") as file:
        file.truncate({12: 2 << 20, 16: 16 << 20, 32: 40 << 20}[bits])
    run("mkfs.vfat", "-F", str(bits), "-s", str(cluster), path)
    return path


def put(path: Path, name: str, content: bytes) -> None:
    (path.parent / "content").write_bytes(content)
    run("mcopy", "-o", "-i", path, path.parent / "content", f"::/{name}")


def read(path: Path) -> dict[str, bytes]:
    device = LiveDevice(path, writing=False)
    reader = FatReader(device)
    try:
        return {entry.name: b"".join(reader.read(entry)) for entry in reader.entries() if not entry.is_folder}
    finally:
        reader.close()
        device.close()


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_what_mtools_wrote_is_read(tmp_path: Path, bits: int) -> None:
    path = volume(tmp_path, bits)
    files = {"a long name, with Größe.txt": CONTENT, "SHORT.TXT": b"x", "empty": b"", "name.longer-than-three": b"12"}
    for name, content in files.items():
        put(path, name, content)
    run("mdel", "-i", path, "::/SHORT.TXT")
    del files["SHORT.TXT"]
    assert read(path) == files


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_a_file_in_pieces_all_over_the_volume_is_joined(tmp_path: Path, bits: int) -> None:
    path = volume(tmp_path, bits)
    for number in range(10):
        put(path, f"filler-{number}", CONTENT[: 30_000 + number])
    for number in range(0, 10, 2):
        run("mdel", "-i", path, f"::/filler-{number}")
    put(path, "scattered", CONTENT)
    assert read(path)["scattered"] == CONTENT


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_free_space_is_what_mtools_counts(tmp_path: Path, bits: int) -> None:
    path = volume(tmp_path, bits)
    put(path, "one", CONTENT)
    told = run("mdir", "-i", path, "::/").strip().splitlines()[-1]
    device = LiveDevice(path, writing=False)
    reader = FatReader(device)
    assert reader.free_bytes() == int("".join(letter for letter in told if letter.isdigit()))
    reader.close()
    device.close()


def test_a_chain_that_goes_round_in_a_circle_ends(tmp_path: Path) -> None:
    path = volume(tmp_path, 16)
    put(path, "one", CONTENT)
    content = bytearray(path.read_bytes())
    table = int.from_bytes(content[14:16], "little") * 512
    content[table + 20 : table + 22] = (9).to_bytes(2, "little")  # cluster 10 leads back to 9
    path.write_bytes(content)
    with pytest.raises(Damaged, match="circle"):
        read(path)


def test_a_size_that_no_chain_has_is_damage(tmp_path: Path) -> None:
    path = volume(tmp_path, 16)
    put(path, "one", b"x")
    device = LiveDevice(path, writing=False)
    reader = FatReader(device)
    with pytest.raises(Damaged, match="clusters"):
        [*reader.read(Entry("one", is_folder=False, cluster=2, size_bytes=0xFFFFFFFF))]
    reader.close()
    device.close()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = volume(tmp_path_factory.mktemp("fat"), 12)
    put(path, "a long name.txt", CONTENT[:5000])
    run("mmd", "-i", path, "::/folder")
    put(path, "folder/inside", b"x")
    return path.read_bytes()


@settings(max_examples=60)
@given(st.data())
def test_damage_is_told_or_does_not_matter(
    good: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("fat") / "damaged.img"
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 8))):
        # where the volume says what it is: boot sector, tables, folders
        content[data.draw(st.one_of(st.integers(0, 64), st.integers(0, 30_000)))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    device = LiveDevice(path, writing=False)
    try:
        reader = FatReader(device)
        reader.free_bytes()
        for entry in reader.entries():
            if entry.is_folder:
                reader.entries(entry)
            else:
                assert sum(map(len, reader.read(entry))) == entry.size_bytes
        reader.close()
    except Failed:
        pass
    finally:
        device.close()
        path.unlink()
