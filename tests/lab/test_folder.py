"""A lab's folder: who holds it is known from the kernel, and what is not a lab's is left alone."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.lab.folder import LabFolder, labs, state_folder
from toolkit.model.errors import InputError, RefusedError, StorageError

HOLDER = """
import sys
from pathlib import Path
from toolkit.lab.folder import LabFolder
LabFolder(Path(sys.argv[1])).hold()
print("held", flush=True)
sys.stdin.read()
"""


def holder(folder: LabFolder) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_the_kernel_says_who_keeps_a_lab_up_also_after_a_kill(tmp_path: Path) -> None:
    folder = LabFolder(tmp_path)
    folder.lock.touch()
    assert folder.supervisor() is None

    with holder(folder) as process:
        assert folder.supervisor() == process.pid
        assert folder.supervisor() == process.pid, "asking must not take the lock away"
        process.send_signal(signal.SIGKILL)

    assert folder.supervisor() is None


def test_a_lab_has_one_supervisor(tmp_path: Path) -> None:
    folder = LabFolder(tmp_path)
    folder.lock.touch()

    with holder(folder) as process:
        with pytest.raises(RefusedError, match="already has a supervisor"):
            folder.hold()
        process.kill()


def test_while_one_command_works_on_a_lab_others_are_refused(tmp_path: Path) -> None:
    folder = LabFolder.of("one", tmp_path)

    with folder.exclusively(), pytest.raises(RefusedError, match="another command"), folder.exclusively(busy_seconds=0):
        pytest.fail("two at once")

    with folder.exclusively(busy_seconds=0):
        assert folder.path.stat().st_mode & 0o077 == 0, "it holds secrets"


def test_a_folder_that_is_no_labs_is_left_alone(tmp_path: Path) -> None:
    folder = LabFolder(tmp_path)
    precious = tmp_path / "thesis.txt"
    precious.write_text("years of work")

    with pytest.raises(RefusedError, match="not a lab's"):
        folder.remove()

    assert precious.read_text() == "years of work"


def test_clearing_takes_the_lock_file_last(tmp_path: Path) -> None:
    folder = LabFolder.of("one", tmp_path)
    folder.host("a").mkdir(parents=True)
    (folder.host("a") / "words.log").write_text("words")
    folder.lock.touch()
    (folder.path / "elsewhere").symlink_to("/etc")

    folder.remove()

    assert not folder.path.exists()
    assert Path("/etc/passwd").exists(), "links are not followed"


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b"])
def test_a_name_is_not_a_path(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        LabFolder.of(name, tmp_path)


def test_a_file_where_the_folder_should_be_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "labs").write_text("not a folder")

    with pytest.raises(StorageError, match="cannot be written"), LabFolder.of("one", tmp_path).exclusively():
        pytest.fail("it cannot be held")


def test_state_lies_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("REBOX_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert state_folder() == Path("/x/rebox")
    monkeypatch.setenv("REBOX_STATE", "/y")
    assert state_folder() == Path("/y")
    assert state_folder(tmp_path) == tmp_path
    assert labs(tmp_path) == []
