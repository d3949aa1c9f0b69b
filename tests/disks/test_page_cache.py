"""What is read after `forget` comes from the device: a change behind the kernel's back is seen."""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.disks.block_devices import loop, only_root, run
from toolkit.disks import page_cache
from toolkit.disks.liveness import LiveDevice
from toolkit.disks.page_cache import forget, remembered_bytes
from toolkit.disks.volumes import Damaged

SIZE = 3 << 20


NOT_TOLD = ("overlay", "tmpfs", "ramfs")
"""An overlay keeps the pages under another file; what lies in memory has no disk to be read from."""


def kind_of(folder: Path) -> str:
    return run("stat", "--file-system", "--format=%T", folder).strip()


@pytest.fixture
def medium(tmp_path: Path) -> Iterator[Path]:
    """An image file on a disk: where /tmp lies in memory, as on Debian 13, one of /var/tmp or of this checkout."""
    places = (tmp_path, Path("/var/tmp"), Path(__file__).parent)  # noqa: S108  (a folder of its own is made there)
    on_disk = [place for place in places if not kind_of(place).startswith(NOT_TOLD) and os.access(place, os.W_OK)]
    if not on_disk:
        pytest.skip(f"no folder lies on a disk here: {', '.join(f'{place} on {kind_of(place)}' for place in places)}")
    with TemporaryDirectory(prefix="rebox-tests-", dir=on_disk[0]) as folder:
        path = Path(folder) / "stick.img"
        path.write_bytes(b"a" * SIZE)
        yield path


def test_a_file_that_was_written_is_remembered_until_it_is_forgotten(medium: Path) -> None:
    device = LiveDevice(medium, writing=True)
    assert remembered_bytes(device) == SIZE
    forget(device)
    assert remembered_bytes(device) == 0
    device.close()


@only_root
def test_where_memory_is_the_disk_there_is_nothing_to_forget(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=8m", "memory", tmp_path / "memory")
    try:
        (tmp_path / "memory/stick.img").write_bytes(bytes(SIZE))
        device = LiveDevice(tmp_path / "memory/stick.img", writing=True)
        forget(device)
        assert remembered_bytes(device) == SIZE
        device.close()
    finally:
        run("umount", tmp_path / "memory")


@only_root
def test_what_is_read_afterwards_comes_from_the_device(medium: Path) -> None:
    with loop(medium) as path:
        device = LiveDevice(path, writing=True)
        assert path.read_bytes() == b"a" * SIZE
        medium.write_bytes(b"b" * SIZE)
        assert path.read_bytes() == b"a" * SIZE, "the kernel remembers, which is what this is about"
        forget(device)
        assert path.read_bytes() == b"b" * SIZE
        device.close()


def test_what_the_kernel_does_not_let_go_of_is_not_believed(medium: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_cache, "_SECONDS_MAX", 0.1)
    device = LiveDevice(medium, writing=True)
    with mmap.mmap(device.descriptor, SIZE) as held:
        assert held[0] == ord("a")  # a page that is mapped stays
        with pytest.raises(Damaged, match=r"keeps [0-9]+ bytes"):
            forget(device)
    os.close(device.descriptor)
