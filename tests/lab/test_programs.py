"""A program's words are kept in files of bounded size, the last ones in any case."""

from pathlib import Path

from toolkit.lab.programs import CappedLog


def test_a_log_never_outgrows_two_files_and_keeps_the_last_words(tmp_path: Path) -> None:
    path = tmp_path / "program.log"
    log = CappedLog(path, bytes_max=100)

    for number in range(200):
        log.write(f"line {number}\n".encode())
    log.write(b"x" * 5000 + b"the end\n")

    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["program.log", "program.log.1"]
    assert all(file.stat().st_size <= 100 for file in files)
    assert path.read_bytes().endswith(b"the end\n")
    assert b"line 199\n" in (tmp_path / "program.log.1").read_bytes()


def test_a_log_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    CappedLog(tmp_path / "no" / "such" / "folder.log").write(b"words")

    assert list(tmp_path.iterdir()) == []
