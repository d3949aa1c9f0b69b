"""`rebox reset verify` as people and programs use it: on records that are genuine, altered, a stranger's; on loops."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.disks.block_devices import loop, only_root
from tests.reset.erasures import an_erasure
from toolkit.cli.main import main
from toolkit.lab.folder import state_folder
from toolkit.reset.record import RecordContext
from toolkit.reset.record_files import write_records
from toolkit.signing import own_key

SIZE = 5 << 20
Rebox = Callable[..., tuple[int, Any]]


@pytest.fixture
def rebox(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Rebox:
    """Runs `rebox reset verify …` and returns its status and, with --json, the document, else all that was said."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))

    def run(*words: object) -> tuple[int, Any]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main(["reset", "verify", *map(str, words)])
        said, err = capsys.readouterr()
        assert "Traceback" not in err
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, json.loads(said) if "--json" in words else " ".join((err + said).split())

    return run


def record_of(folder: Path, **changed: Any) -> Path:
    told = {"capacity_bytes": SIZE, "verified_bytes": SIZE, "wwn": "", **changed}
    erasure = an_erasure(**told)
    context = RecordContext(source="appliance RB-OLD-0001")
    return write_records(folder, [erasure], context, own_key(state_folder()))[0]


def test_a_genuine_record_of_a_medium_that_is_elsewhere(rebox: Rebox, tmp_path: Path) -> None:
    path = record_of(tmp_path / "r")
    status, said = rebox(path)
    assert status == 0
    assert "valid, by ed25519:" in said
    assert "S5GYNX0T100001" in said
    assert "Read again no. The medium is not on this machine: it was not read." in said
    status, document = rebox(path, "--json")
    assert (status, document["verdict"], document["read_again"]) == (0, "passed", None)
    assert document["record"]["erasure"]["serial_number"] == "S5GYNX0T100001"
    assert rebox(path, "--read")[0] == 4
    assert rebox(path, "--read", "--json")[1]["verdict"] == "unknown"


@pytest.mark.parametrize(("result", "status"), [("failed", 1), ("unknown", 4)])
def test_a_genuine_record_of_a_bad_end_is_no_success(rebox: Rebox, tmp_path: Path, result: str, status: int) -> None:
    told, said = rebox(record_of(tmp_path / "r", result=result, reason="The disk fell silent."), "--no-read")
    assert told == status
    assert f"It says {result} The disk fell silent." in said


def test_an_altered_record_and_a_strangers_are_refused(rebox: Rebox, tmp_path: Path) -> None:
    path = record_of(tmp_path / "r")
    genuine = path.read_text()
    path.write_text(genuine.replace('"sector_bytes": 512', '"sector_bytes": 513'))
    status, said = rebox(path)
    assert status == 1
    assert "does not match" in said
    path.write_bytes(own_key(tmp_path / "stranger").sign(json.loads(genuine)["document"]))
    status, error = rebox(path, "--json")
    assert (status, error["error"]) == (1, "verification")
    assert "rebox signer trust" in error["next_move"]
    assert rebox(tmp_path / "none.json")[0] == 2


def test_options_that_contradict_each_other(rebox: Rebox, tmp_path: Path) -> None:
    path = record_of(tmp_path / "r")
    assert rebox(path, "--no-read", "--sample")[0] == 2
    assert rebox(path, "--serial", "S5GYNX0T100001")[0] == 2
    assert rebox(path, "--device", tmp_path / "missing")[0] == 2


def test_an_image_is_read_by_ones_word(rebox: Rebox, tmp_path: Path) -> None:
    path = record_of(tmp_path / "r")
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(SIZE))
    status, said = rebox(path, "--device", image)
    assert status == 3
    assert "add --serial" in said
    assert rebox(path, "--device", image, "--serial", "S5GYNX0T100001")[0] == 0
    with image.open("r+b") as disk:
        disk.seek(SIZE - 3)
        disk.write(b"key")
    status, document = rebox(path, "--device", image, "--serial", "S5GYNX0T100001", "--json")
    assert (status, document["verdict"], document["says"]) == (1, "failed", "passed")
    assert document["read_again"]["first_byte"] == SIZE - 3


@only_root
def test_a_loop_device_is_found_by_its_file_and_read(rebox: Rebox, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(SIZE))
    path = record_of(tmp_path / "r", serial_number="", backing_file=str(image), media_type="loop device")
    assert "not on this machine" in rebox(path)[1]
    with loop(image) as device:
        status, document = rebox(path, "--json")
        assert (status, document["read_again"]["device"], document["read_again"]["bytes_read"]) == (
            0,
            str(device),
            SIZE,
        )
        assert rebox(path, "--device", device)[0] == 0
        with device.open("r+b") as disk:
            disk.write(b"canary")
        status, said = rebox(path)
        assert status == 1
        assert "byte 0 is not zero" in said
        # the file of another record is behind it
        other = record_of(tmp_path / "r", serial_number="", backing_file=str(tmp_path / "other.img"))
        assert rebox(other, "--device", device)[0] == 3


@only_root
def test_a_disk_that_this_user_may_not_read_is_said_to_be_one(tmp_path: Path) -> None:
    """As another user, which only root can become."""
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(SIZE))
    with loop(image) as device:
        program = f"""
from pathlib import Path
from tests.reset.erasures import an_erasure
from toolkit.disks.facts import disk_at
from toolkit.reset.rereading import Medium, read_again
disk = disk_at(Path("/sys/class/block/{device.name}"))
try:
    read_again(an_erasure(), Medium(disk.path, disk, ""), sample=False, progress=print)
except Exception as error:
    print(type(error).__name__, error)
"""
        words = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--reuid=65534", "--clear-groups"]
        told = subprocess.run(
            [*words, sys.executable, "-c", program], capture_output=True, text=True, check=False
        )  # fmt: skip
    assert "PermissionDeniedError" in told.stdout, told.stderr
    assert "sudo" in told.stdout
