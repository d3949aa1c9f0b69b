"""Whatever the system says about a file, people learn which file, why, and what to do."""

import errno
import os
import re
from pathlib import Path

import pytest

from toolkit.storage.errors import storage_error


@pytest.mark.parametrize(
    ("number", "why", "next_move"),
    [
        (errno.ENOSPC, "No space left on device: the disk is full", "Free space on the disk of {} ("),
        (errno.EDQUOT, "Disk quota exceeded", "Free space on the disk of {} or have your quota raised"),
        (errno.EFBIG, "File too large", "ulimit -f"),
        (errno.ENOENT, "No such file or directory", "Create the folder {}"),
        (errno.ENOTDIR, "Not a directory", "Choose another folder than {}"),
        (errno.EACCES, "Permission denied", "the right to write into {}"),
        (errno.EROFS, "Read-only file system", "Choose a folder you may write to"),
        (errno.EIO, "Input/output error", "Look at {} and the disk beneath it"),
    ],
)
def test_every_reason_has_its_remedy(tmp_path: Path, number: int, why: str, next_move: str) -> None:
    error = storage_error(tmp_path / "file", OSError(number, os.strerror(number)))
    assert (error.what, error.where, error.why) == ("it cannot be written", str(tmp_path / "file"), why)
    assert next_move.format(tmp_path) in error.next_move
    assert error.next_move.endswith(", then run the same command again.")


def test_who_writes_says_what_it_was_and_how_to_go_on(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    error = storage_error(tmp_path / "pins", full, what="the pin cannot be kept", then="resume the run")
    assert error.what == "the pin cannot be kept"
    assert re.match(r"Free space on the disk of .* \(\d+\.\d MB free\)", error.next_move)
    assert error.next_move.endswith(", then resume the run.")


def test_on_a_folder_that_is_not_there_nobody_knows_what_is_free(tmp_path: Path) -> None:
    error = storage_error(tmp_path / "gone" / "file", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert "(unknown free)" in error.next_move


def test_an_error_without_a_number_still_says_something(tmp_path: Path) -> None:
    assert storage_error(tmp_path / "file", OSError("the stick was pulled out")).why == "the stick was pulled out"
    assert storage_error(tmp_path / "file", TimeoutError()).why == "it took longer than its time limit"
