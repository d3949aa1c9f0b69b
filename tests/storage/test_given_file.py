"""A file that somebody names is read, or it is said what is wrong with it."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from toolkit.model.errors import InputError
from toolkit.storage.given_file import TEXT_BYTES_MAX, read_given, read_given_text


def test_it_is_read_as_far_as_asked(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes("Grüße\r\n".encode())
    assert read_given_text(path) == "Grüße\n"
    assert read_given(path) == "Grüße\r\n".encode()
    assert read_given(path, bytes_max=2) == b"Gr"
    path.write_bytes(b"\xef\xbb\xbfa = 1\n")
    assert read_given_text(path) == "a = 1\n", "a byte order mark is no part of the text"


def test_a_text_that_is_too_long_to_be_one_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(TEXT_BYTES_MAX)
        assert len(read_given_text(path)) == TEXT_BYTES_MAX
        # more than memory and patience: read to its end, this test would not end
        file.truncate(2**40)
    with pytest.raises(InputError, match="larger than 1 MiB"):
        read_given_text(path)


@pytest.mark.parametrize(
    ("name", "why"), [("gone", "No such file"), ("folder", "Is a directory"), ("latin", "it is not UTF-8 text")]
)
def test_what_cannot_be_read_is_named_with_what_to_give_instead(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin").write_bytes("Grüße".encode("latin-1"))
    with pytest.raises(InputError, match=why) as caught:
        read_given_text(tmp_path / name, what="the list cannot be read", next_move="Give a list.")
    error = caught.value
    assert (error.what, error.where, error.next_move) == (
        "the list cannot be read",
        str(tmp_path / name),
        "Give a list.",
    )
    assert "Gr" not in error.why


def test_a_named_pipe_into_which_nobody_writes_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for read in (read_given, read_given_text):
        with pytest.raises(InputError, match="nobody writes into it"):
            read(tmp_path / "pipe")


@pytest.mark.parametrize("bytes_max", [-1, 3])
def test_a_named_pipe_is_read_when_somebody_writes_however_slowly(tmp_path: Path, bytes_max: int) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # opens it, is silent for longer than a missing writer is waited for, writes in two pieces
    script = "exec 3> pipe; sleep 2.5; printf ab >&3; sleep 0.1; printf cd >&3"
    with subprocess.Popen(["sh", "-c", script], cwd=tmp_path) as writer:
        assert read_given(pipe, bytes_max=bytes_max) == (b"abcd" if bytes_max < 0 else b"abc")
        writer.wait()


def test_pipes_without_a_name_are_read_like_files(tmp_path: Path) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(b"late")

    writer = threading.Timer(0.1, write)
    writer.start()
    assert read_given(Path(f"/dev/fd/{reading}")) == b"late"
    writer.join()
    os.close(reading)
