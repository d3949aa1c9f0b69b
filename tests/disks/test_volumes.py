"""A volume does the same whether it is mounted for us alone or written without mounting it: one contract for all.

ext4 and exFAT need a loop device and with it root; vfat is used without mounting, on a device and on an image file.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disks.block_devices import FailingDisk, image, loop, only_root, run
from toolkit.disks.opening import open_volume
from toolkit.disks.refusal import Failed, Refused
from toolkit.disks.volumes import FOLDER, Damaged, FileSystem, Full, find, probe

DATA = bytes(range(256)) * 4096 * 3
WAYS = [
    "image",
    pytest.param("vfat", marks=only_root),
    pytest.param("ext4", marks=only_root),
    pytest.param("exfat", marks=only_root),
]


@pytest.fixture(params=WAYS)
def stick(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileSystem]:
    kind = "vfat" if request.param == "image" else request.param
    path = image(tmp_path / "stick.img", kind)
    if request.param == "image":
        yield found(path)
        return
    with loop(path) as device:
        yield found(device)


def found(path: Path) -> FileSystem:
    there = find(path)
    assert there is not None
    return there


def content(stick: FileSystem, name: str) -> bytes:
    with open_volume(stick, writing=False) as volume:
        return b"".join(volume.read(name))


def test_what_was_written_comes_back_from_the_device(stick: FileSystem) -> None:
    with open_volume(stick, writing=True) as volume:
        assert volume.names() == ()
        before = volume.free_bytes()
        volume.write("a-long-name.with-dots.001", [DATA[:1000], DATA[1000:]])
        volume.write("empty", [])
        volume.write("short.txt", [b"x"])
        assert volume.names() == ("a-long-name.with-dots.001", "empty", "short.txt")
        assert before - 2 * len(DATA) < volume.free_bytes() <= before - len(DATA)
    assert content(stick, "a-long-name.with-dots.001") == DATA
    assert (content(stick, "empty"), content(stick, "short.txt")) == (b"", b"x")


def test_a_file_is_replaced_and_removed(stick: FileSystem) -> None:
    with open_volume(stick, writing=True) as volume:
        volume.write("one", [b"before"])
        volume.write("one", [DATA])
        volume.write("two", [b"2"])
        volume.remove("two")
        volume.remove("two")
    assert content(stick, "one") == DATA
    with open_volume(stick, writing=False) as volume:
        assert volume.names() == ("one",)


def test_a_file_whose_source_fails_is_not_there(stick: FileSystem) -> None:
    def pieces() -> Iterator[bytes]:
        yield DATA
        raise InterruptedError("the source")

    with open_volume(stick, writing=True) as volume:
        volume.write("one", [b"before"])
        with pytest.raises(InterruptedError):
            volume.write("one", pieces())
        assert volume.names() == ("one",)
    assert content(stick, "one") == b"before"


def test_a_full_stick_says_so_and_keeps_what_it_had(stick: FileSystem) -> None:
    with open_volume(stick, writing=True) as volume:
        volume.write("one", [b"kept"])
        # whole pieces and a rest: where it breaks off must not look like an end
        for size in (1 << 20, 100_000):
            with pytest.raises(Full, match="full"):
                volume.write("two", [bytes(size)] * ((60 << 20) // size))
        assert volume.names() == ("one",)
    assert content(stick, "one") == b"kept"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "", "..", "-x", "a/b", "A", "a\nb", "x" * 121, "*", "a b"])
def test_a_name_that_is_none_touches_nothing(tmp_path: Path, name: str) -> None:
    path = image(tmp_path / "stick.img", "vfat")
    before = path.read_bytes()
    with open_volume(found(path), writing=True) as volume:
        with pytest.raises(Refused):
            volume.write(name, [b"x"])
        with pytest.raises(Refused):
            [*volume.read(name)]
    assert path.read_bytes() == before


def test_a_file_that_is_not_there_is_told_by_name(stick: FileSystem) -> None:
    with open_volume(stick, writing=True) as volume:
        volume.write("one", [b"x"])
        with pytest.raises(Damaged, match="two"):
            [*volume.read("two")]


def test_opened_for_reading_nothing_is_written(stick: FileSystem) -> None:
    with open_volume(stick, writing=True) as volume:
        volume.write("one", [b"x"])
    before = stick.path.read_bytes()
    with open_volume(stick, writing=False) as volume:
        with pytest.raises(Refused, match="reading only"):
            volume.write("two", [b"x"])
        with pytest.raises(Refused, match="reading only"):
            volume.remove("one")
        assert volume.names() == ("one",)
    assert stick.path.read_bytes() == before


@only_root
@pytest.mark.parametrize("kind", ["vfat", "ext4", "exfat"])
def test_a_write_protected_device_is_read_and_not_written(tmp_path: Path, kind: str) -> None:
    path = image(tmp_path / "stick.img", kind)
    with loop(path) as device, open_volume(found(device), writing=True) as volume:
        volume.write("one", [DATA])
    before = path.read_bytes()
    with loop(path, "--read-only") as device:
        assert content(found(device), "one") == DATA
        with pytest.raises(Failed), open_volume(found(device), writing=True) as volume:
            volume.write("two", [b"x"])
    assert path.read_bytes() == before


@only_root
@pytest.mark.parametrize("kind", ["vfat", "ext4", "exfat"])
def test_a_disk_that_fails_while_it_is_written_is_named_and_the_file_is_not_called_there(
    tmp_path: Path, kind: str
) -> None:
    disk = FailingDisk(tmp_path)
    try:
        with loop(disk.path) as device:
            run(*("mkfs.vfat", "-F", "32", device) if kind == "vfat" else (f"mkfs.{kind}", device))
            stick = found(device)

            def pieces() -> Iterator[bytes]:
                yield DATA
                disk.fail("pwrite")
                yield DATA

            with pytest.raises(Failed, match=str(device)), open_volume(stick, writing=True) as volume:
                volume.write("one", pieces())
            disk.mend()
            with open_volume(found(device), writing=False) as volume:
                assert "one" not in volume.names()
    finally:
        disk.close()


@only_root
@pytest.mark.parametrize("kind", ["vfat", "ext4", "exfat"])
def test_a_disk_that_does_not_answer_any_more_is_named(tmp_path: Path, kind: str) -> None:
    disk = FailingDisk(tmp_path)
    try:
        with loop(disk.path) as device:
            run(*("mkfs.vfat", "-F", "32", device) if kind == "vfat" else (f"mkfs.{kind}", device))

            def pieces() -> Iterator[bytes]:
                yield DATA
                disk.die()
                yield DATA

            with pytest.raises(Failed, match=str(device)), open_volume(found(device), writing=True) as volume:
                volume.write("one", pieces())
    finally:
        disk.close()


@only_root
@pytest.mark.parametrize("kind", ["vfat", "ext4", "exfat"])
def test_a_disk_that_does_not_read_is_named(tmp_path: Path, kind: str) -> None:
    disk = FailingDisk(tmp_path)
    try:
        with loop(disk.path) as device:
            run(*("mkfs.vfat", "-F", "32", device) if kind == "vfat" else (f"mkfs.{kind}", device))
            stick = found(device)
            with open_volume(stick, writing=True) as volume:
                volume.write("one", [DATA] * 3)
            with open_volume(stick, writing=False) as volume:
                pieces = volume.read("one")
                assert next(pieces)
                disk.fail("pread")
                with pytest.raises(Failed, match=str(device)):
                    list(pieces)
    finally:
        disk.close()


def test_a_file_system_is_found_in_the_first_partition_that_has_one(tmp_path: Path) -> None:
    volume, disk = image(tmp_path / "volume.img", "vfat", label="INSIDE"), tmp_path / "disk.img"
    for table in ("dos", "gpt"):
        with disk.open("wb") as file:
            file.truncate(64 << 20)
        words = ["/usr/sbin/sfdisk", "--quiet", str(disk)]
        subprocess.run(words, input=f"label: {table}\nsize=2MiB\nsize=40MiB\n", text=True, check=True)
        with disk.open("r+b") as file:
            file.seek(3 << 20)
            file.write(volume.read_bytes())
        stick = found(disk)
        assert (stick.label, stick.offset_bytes, stick.size_bytes) == ("INSIDE", 3 << 20, 40 << 20)
        with open_volume(stick, writing=True) as opened:
            opened.write("one", [DATA])
        assert content(stick, "one") == DATA
        assert "one" in run("mdir", "-b", "-i", f"{disk}@@{3 << 20}", f"::/{FOLDER}")


def test_what_holds_nothing_has_no_file_system(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(bytes(1 << 20))
    assert find(tmp_path / "empty") is None
    assert probe(tmp_path / "empty") is None
    with pytest.raises(Failed, match="absent"):
        find(tmp_path / "absent")
