"""`rebox reset list` and `disk` as people and programs use them, on loop devices."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.disks.block_devices import loop, only_root
from tests.lab.test_cli import screen
from toolkit.cli import reset
from toolkit.cli.main import main
from toolkit.model.errors import StorageError
from toolkit.reset.record import open_record
from toolkit.signing import trusted_signers

MIB = 1 << 20
REBOX = (sys.executable, "-m", "toolkit.cli.main")
pytestmark = only_root


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REBOX_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(os.urandom(3 * MIB))
    return path


@pytest.fixture
def device(file: Path) -> Iterator[Path]:
    with loop(file) as attached:
        yield attached


def rebox(*words: object) -> "subprocess.CompletedProcess[str]":
    command = [*REBOX, "reset", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def document(done: "subprocess.CompletedProcess[str]") -> Any:
    return json.loads(done.stdout)


def test_every_disk_is_listed_with_the_reasons_against_it(device: Path, file: Path) -> None:
    listed = {one["name"]: one for one in document(rebox("list", "--json"))}
    ours = listed[device.name]
    assert (ours["identity"], ours["may_be_wiped"], ours["objections"]) == (str(file), True, [])
    with loop(file):
        twins = {one["name"]: one for one in document(rebox("list", "--json"))}
        assert [one["reason"] for one in twins[device.name]["objections"]] == ["same-serial-number"]
        assert "loop device, 3.1 MB" in rebox("list").stdout
        assert "has the same serial number" in rebox("list").stdout
    assert str(file) in rebox("list").stdout


def test_a_disk_is_wiped_and_its_record_is_signed(device: Path, file: Path, tmp_path: Path, state: Path) -> None:
    done = rebox("disk", file, "--yes", file, "--record", tmp_path / "records", "--json", "--operator", "somebody")
    assert done.returncode == 0, done.stderr
    (told,) = document(done)["disks"]
    assert (document(done)["verdict"], told["result"], told["verification"]) == ("passed", "passed", "full")
    assert not any(file.read_bytes())
    (path,) = document(done)["records"]
    assert {each.suffix for each in (tmp_path / "records").iterdir()} == {".json", ".html"}
    opened = open_record(Path(path), trusted_signers(state))
    assert opened.record.erasure.model_dump(mode="json") == told
    assert told["operator"] == "somebody"
    assert str(device) in done.stderr, "the plan is shown before"
    verified = rebox("verify", path, "--device", device)
    assert verified.returncode == 0, verified.stderr
    device.write_bytes(b"used again")
    assert rebox("verify", path, "--device", device).returncode == 1


def test_without_a_folder_the_record_is_kept_where_rebox_keeps_its_state(device: Path, file: Path, state: Path) -> None:
    done = rebox("disk", file, "--yes", file)
    assert done.returncode == 0, done.stderr
    (record,) = (state / "erasure").glob("*.json")
    assert str(record) in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--yes", "another"), 3, "--yes does not name the disks"),
        ((), 2, "nobody can be asked"),
        (("--yes", "{file}", "--method", "nvme-format"), 3, "does not offer nvme-format"),
        (("--yes", "{file}", "--medium", "{file}"), 3, "removable medium of this run"),
        (("--yes", "{file}", "--verify", "hardly"), 2, "hardly"),
        (("--yes", "{file}", "--record", "{folder}", "more"), 3, "--yes does not name"),
    ],
)
def test_what_is_not_meant_for_sure_is_refused(
    device: Path, file: Path, tmp_path: Path, words: tuple[str, ...], status: int, said: str
) -> None:
    before = file.read_bytes()
    done = rebox("disk", file, *(word.format(file=file, folder=tmp_path) for word in words))
    assert (done.returncode, said in done.stderr) == (status, True), done.stderr
    assert file.read_bytes() == before
    assert device.exists()


def test_a_record_is_not_kept_on_the_disk_that_is_wiped(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with loop(file) as device:
        subprocess.run(["mkfs.ext4", "-q", "-F", str(device)], check=True)
        subprocess.run(["mount", str(device), str(place)], check=True)
        try:
            done = rebox("disk", file, "--yes", file, "--record", place)
        finally:
            subprocess.run(["umount", str(place)], check=True)
    assert done.returncode == 3
    assert f"this system or the toolkit is on it: {place}" in done.stderr
    assert "mounted" in done.stderr, "all reasons at once"


def test_records_that_have_no_place_or_no_key_are_told_while_the_disk_is_whole(
    device: Path, file: Path, tmp_path: Path, state: Path
) -> None:
    before = file.read_bytes()
    (tmp_path / "taken").touch()
    done = rebox("disk", file, "--yes", file, "--record", tmp_path / "taken")
    assert (done.returncode, "there is no place for the records" in done.stderr) == (1, True), done.stderr
    (state / "signing.key").write_text("no key")
    done = rebox("disk", file, "--yes", file, "--record", tmp_path / "records")
    assert done.returncode == 2
    assert "signing.key" in done.stderr
    assert file.read_bytes() == before == device.read_bytes()


def test_what_was_wiped_is_told_though_its_record_cannot_be_written(
    device: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageError("the record of a wiped disk cannot be written", why="No space left on device")

    monkeypatch.setattr(reset, "write_records", full)
    with pytest.raises(SystemExit) as ended:
        main(["reset", "disk", str(file), "--yes", str(file), "--record", str(tmp_path / "records")])
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert f"passed  {file}" in told
    assert "No space left on device" in told
    assert device.read_bytes() == bytes(3 * MIB)


@pytest.mark.parametrize("typed", ["right", "wrong"])
def test_the_serial_number_has_to_be_typed(device: Path, file: Path, typed: str) -> None:
    before = file.read_bytes()
    words = str(file) if typed == "right" else str(device)
    with screen([*REBOX, "reset", "disk", str(file)], os.environ) as (terminal, process):
        read_until(terminal, f"Type the serial number of {device} to wipe it")
        os.write(terminal, f"{words}\n".encode())
        read_until(terminal, "passed" if typed == "right" else "Nothing was changed")
        assert process.wait(timeout=30) == (0 if typed == "right" else 1)
    assert file.read_bytes() == (bytes(3 * MIB) if typed == "right" else before)


def read_until(terminal: int, words: str) -> None:
    seen, deadline = "", time.monotonic() + 30
    while words not in seen:
        readable, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        assert readable, seen
        seen += os.read(terminal, 4096).decode()


def test_who_is_not_root_is_told_so() -> None:
    words = ["setpriv", "--reuid=65534", "--clear-groups", *REBOX, "reset", "disk", "S1", "--yes", "S1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, "root only" in done.stderr) == (2, True), done.stderr
