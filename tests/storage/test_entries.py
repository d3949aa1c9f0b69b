"""A name and the file behind it."""

import os
from pathlib import Path

import pytest

from toolkit.storage.entries import still_is, sync_folder


def test_a_name_that_was_taken_away_is_no_longer_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        assert still_is(path, descriptor)
        path.unlink()
        assert not still_is(path, descriptor)
        path.touch()
        assert not still_is(path, descriptor), "another file of that name"
    finally:
        os.close(descriptor)


def test_only_a_folder_that_is_there_can_be_brought_to_the_disk(tmp_path: Path) -> None:
    sync_folder(tmp_path)
    for wrong in (tmp_path / "gone", Path("/dev/null")):
        with pytest.raises(OSError, match=wrong.name):
            sync_folder(wrong)
