"""Images in the cache: whole or not there, one build at a time."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from toolkit.images.cache import ImageCache
from toolkit.images.manifest import DISK, MANIFEST, Manifest, record
from toolkit.model.errors import RefusedError, StorageError

KEY = "a" * 64


def fill(folder: Path) -> None:
    (folder / DISK).write_bytes(b"disk")
    manifest = Manifest(
        name="small", description="", recipe_sha256=KEY, kernel_version="6.1", command_line="", root_uuid="",
        build_seconds=1.0, files={DISK: record(folder / DISK)},
    )  # fmt: skip
    (folder / MANIFEST).write_text(manifest.model_dump_json())


def build_and_die(root: Path, where: str) -> None:
    cache = ImageCache("small", root)
    with cache.building(None), cache.new(KEY) as folder:
        if where == "later":
            fill(folder)
        os.kill(os.getpid(), signal.SIGKILL)


def test_an_image_is_there_once_its_build_has_ended(tmp_path: Path) -> None:
    cache = ImageCache("small", tmp_path)
    with cache.building(None), cache.new(KEY) as folder:
        fill(folder)
        assert cache.find(KEY) is None
        assert cache.images() == []
    found = cache.find(KEY)
    assert found is not None
    assert found.sha256 == record(cache.place(KEY) / DISK).sha256


@pytest.mark.parametrize("where", ["early", "later"])
def test_a_killed_build_leaves_nothing_that_counts_and_the_next_one_clears_it_away(tmp_path: Path, where: str) -> None:
    process = multiprocessing.get_context("spawn").Process(target=build_and_die, args=(tmp_path, where))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    cache = ImageCache("small", tmp_path)
    assert cache.find(KEY) is None
    assert cache.images() == []
    with cache.building(None):
        assert [path.name for path in cache.folder.iterdir()] == [".lock"]


def test_an_image_with_a_file_cut_short_does_not_count(tmp_path: Path) -> None:
    cache = ImageCache("small", tmp_path)
    with cache.building(None), cache.new(KEY) as folder:
        fill(folder)
    (cache.place(KEY) / DISK).write_bytes(b"dis")
    assert cache.find(KEY) is None


def test_a_second_build_is_refused_or_waits(tmp_path: Path) -> None:
    first, second = ImageCache("small", tmp_path), ImageCache("small", tmp_path)
    with first.building(None):
        with pytest.raises(RefusedError, match="being built already"), second.building(None):
            pass
        with pytest.raises(InterruptedError), second.building(waiting):
            pass
    with second.building(None):
        pass


def waiting() -> None:
    raise InterruptedError("would wait now")


def test_a_program_left_behind_by_a_killed_build_keeps_the_next_one_out(tmp_path: Path) -> None:
    cache = ImageCache("small", tmp_path)
    with cache.building(None) as lock:
        left = os.dup(lock)
    with pytest.raises(RefusedError), cache.building(None):
        pass
    os.close(left)
    with cache.building(None):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file in the way")
    with pytest.raises(StorageError, match="images"), ImageCache("small", tmp_path).building(None):
        pass
