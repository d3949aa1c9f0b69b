"""Wiping this machine's disks, on real loop devices: nothing is left, nothing else is touched, nothing is claimed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.disks.block_devices import disk_of, loop, only_root
from tests.reset.used_disk import MIB, SIZE, found_by_grep, is_zero, recovered, write_used_disk
from toolkit.disks.device import MARK
from toolkit.disks.erase import Order
from toolkit.disks.in_use import Rules
from toolkit.model.errors import InputError, PermissionDeniedError, RefusedError
from toolkit.reset import local_disks
from toolkit.reset.erasure import Erasure
from toolkit.reset.local_disks import Chosen, Wiping, choose, survey

pytestmark = only_root


class Kept(list[Erasure]):
    """What was kept of each disk as it ended."""


def wiping(*serials: str, order: Order | None = None, kept: Kept | None = None, rules: Rules | None = None) -> Wiping:
    return Wiping(
        rules=rules or Rules(planned=serials),
        order=order or Order(),
        now=lambda: datetime.now(UTC),
        sleep=time.sleep,
        tool_version="0",
        operator="somebody",
        keep=(Kept() if kept is None else kept).append,
    )


def chosen(*serials: str, order: Order | None = None) -> list[Chosen]:
    return choose(serials, Rules(planned=local_disks.planned(serials)), order or Order())


def wipe(*serials: str, order: Order | None = None) -> list[Erasure]:
    return wiping(*serials, order=order).wipe(chosen(*serials, order=order), lambda *_: None)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("used") / "used.raw"
    write_used_disk(path)
    return path


@pytest.fixture
def file(used: Path, tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(used.read_bytes())
    return path


def test_nothing_of_a_used_disk_is_left_for_grep_cmp_or_photorec(file: Path, tmp_path: Path) -> None:
    """All of them find what lies there before, so that they would afterwards."""
    with loop(file) as device:
        assert found_by_grep(device) > 500
        assert {".png", ".sqlite"} <= recovered(device, tmp_path / "before")
        (erasure,) = wipe(str(file))
        assert is_zero(device, SIZE)
        assert found_by_grep(device) == 0
        assert recovered(device, tmp_path / "after") == set()
    assert (erasure.result, erasure.verification, erasure.verified_bytes) == ("passed", "full", SIZE)
    assert (erasure.verified_fraction, erasure.passes, erasure.category, erasure.again) == (1.0, 1, "clear", False)
    assert (erasure.serial_number, erasure.backing_file, erasure.media_type) == ("", str(file), "loop device")
    assert (erasure.operator, erasure.reason, erasure.capacity_bytes) == ("somebody", "", SIZE)
    assert erasure.started <= erasure.finished


def test_samples_cover_a_tenth_and_are_found_again_by_their_seed(file: Path) -> None:
    with loop(file) as device:
        (erasure,) = wipe(str(file), order=Order(verify="sample", seed="a seed"))
        assert is_zero(device, SIZE)
    assert (erasure.result, erasure.verification, erasure.sample_seed) == ("passed", "sampled", "a seed")
    assert 0.1 <= erasure.verified_fraction < 0.2


def test_two_disks_are_wiped_in_one_go_and_a_third_is_not_touched(file: Path, tmp_path: Path) -> None:
    second, third = tmp_path / "second.raw", tmp_path / "third.raw"
    second.write_bytes(os.urandom(3 * MIB))
    third.write_bytes(os.urandom(MIB))
    before = third.read_bytes()
    with loop(file) as one, loop(second) as other, loop(third):
        kept = Kept()
        told: list[float] = []
        serials = (str(file), str(second))
        ended = wiping(*serials, kept=kept).wipe(chosen(*serials), lambda fraction, _: told.append(fraction))
        assert is_zero(one, SIZE)
        assert is_zero(other, 3 * MIB)
    assert ended == kept
    assert [one.backing_file for one in ended] == [*serials]
    assert (told, told[-1]) == (sorted(told), 1.0)
    assert third.read_bytes() == before


def test_a_disk_smaller_than_a_piece_is_wiped_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "tiny.raw"
    file.write_bytes(b"\xff" * 5 * 512)
    with loop(file) as device:
        assert wipe(str(file))[0].verified_bytes == 5 * 512
        assert is_zero(device, 5 * 512)


def test_a_wipe_killed_anywhere_begins_again_and_says_so(file: Path) -> None:
    """Killed while it writes, and while it reads back what it has written: neither is taken for a wiped disk."""
    for phase in ("overwriting", "reading back"):
        with loop(file) as device:
            assert _killed_in(phase, str(file)) == -signal.SIGKILL
            assert device.read_bytes().startswith(MARK)
            (erasure,) = wipe(str(file))
            assert is_zero(device, SIZE)
        assert (erasure.result, erasure.again, erasure.passes) == ("passed", True, 1)
        file.write_bytes(b"\xff" * SIZE)
    with loop(file) as device:
        assert wipe(str(file))[0].again is False
        assert is_zero(device, SIZE)


def _killed_in(phase: str, serial: str) -> int:
    """A process of its own that kills itself half way in a phase."""
    script = (
        "import os, signal, sys\n"
        "from tests.reset.test_local_disks import chosen, wiping\n"
        "reached = []\n"
        "def step(fraction, words):\n"
        f"    reached.append({phase!r} in words)\n"
        "    if sum(reached) > 5: os.kill(os.getpid(), signal.SIGKILL)\n"
        "wiping(sys.argv[1]).wipe(chosen(sys.argv[1]), step)\n"
    )
    return subprocess.run([sys.executable, "-c", script, serial], check=False).returncode


def test_one_that_is_interrupted_is_kept_as_unknown(file: Path) -> None:
    def interrupt(_fraction: float, phase: str) -> None:
        if "overwriting" in phase:
            raise KeyboardInterrupt

    kept = Kept()
    with loop(file), pytest.raises(KeyboardInterrupt):
        wiping(str(file), kept=kept).wipe(chosen(str(file)), interrupt)
    (erasure,) = kept
    assert (erasure.result, erasure.verification, erasure.passes) == ("unknown", "none", 0)
    assert "cut off" in erasure.reason


def test_names_swapped_between_plan_and_execution_are_refused(file: Path, tmp_path: Path) -> None:
    """Two loops change files: each name is there, and what was meant is now called otherwise."""
    other = tmp_path / "other.raw"
    other.write_bytes(os.urandom(SIZE))
    before = file.read_bytes(), other.read_bytes()
    with loop(file) as one, loop(other) as two:
        plan = chosen(f"{one}={file}")
        for device in (one, two):
            subprocess.run(["losetup", "--detach", str(device)], check=True)
        subprocess.run(["losetup", str(one), str(other)], check=True)
        subprocess.run(["losetup", str(two), str(file)], check=True)
        with pytest.raises(RefusedError, match=f"name {two.name}, not {one.name}"):
            wiping(str(file)).wipe(plan, lambda *_: None)
        with pytest.raises(RefusedError, match=f"name {two.name}, not {one.name}"):
            chosen(f"{one}={file}")
    assert (file.read_bytes(), other.read_bytes()) == before


def test_a_disk_that_becomes_another_in_mid_wipe_is_no_success(file: Path) -> None:
    """Looked at again before each phase: it was made smaller between writing and reading back."""
    with loop(file) as device:
        plan = chosen(str(file))

        def shrink(fraction: float, phase: str) -> None:
            if "overwriting" in phase and fraction >= 0.55:
                os.truncate(file, SIZE // 2)
                subprocess.run(["losetup", "--set-capacity", str(device)], check=True)

        (erasure,) = wiping(str(file)).wipe(plan, shrink)
    assert (erasure.result, erasure.verification) == ("failed", "none")
    assert f"size {SIZE // 2}, not {SIZE}" in erasure.reason


def test_what_came_into_use_after_the_plan_is_refused(file: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with loop(file) as device:
        subprocess.run(["mkfs.ext4", "-q", "-F", str(device)], check=True)
        plan = chosen(str(file))
        subprocess.run(["mount", str(device), str(place)], check=True)
        try:
            with pytest.raises(RefusedError, match=f"mounted: {device.name} on {place}"):
                wiping(str(file)).wipe(plan, lambda *_: None)
        finally:
            subprocess.run(["umount", str(place)], check=True)


def test_every_reason_of_every_disk_is_told_at_once_and_nothing_is_written(file: Path, tmp_path: Path) -> None:
    member = tmp_path / "member.raw"
    member.write_bytes(bytes(512) + b"LABELONE" + bytes(16) + b"LVM2 001" + bytes(MIB))
    before = file.read_bytes()
    with loop(file, "--read-only") as one, loop(member) as two, pytest.raises(RefusedError) as refused:
        choose([str(file), str(member), "ABSENT"], Rules(planned=[str(file)]), Order())
    assert f"{file} ({one.name}): it is read-only" in refused.value.why
    assert f"{member} ({two.name}): its serial number is not in the plan" in refused.value.why
    assert "a member of an LVM volume group" in refused.value.why
    assert "no disk has the serial number ABSENT" in refused.value.why
    assert file.read_bytes() == before


def test_a_disk_named_twice_and_a_technique_it_does_not_offer_are_refused(file: Path) -> None:
    with loop(file):
        with pytest.raises(InputError, match="named twice"):
            chosen(str(file), str(file))
        with pytest.raises(RefusedError, match="does not offer nvme-format; it offers overwrite"):
            chosen(str(file), order=Order("nvme-format"))


def test_the_survey_has_every_disk_with_what_speaks_against_it(file: Path) -> None:
    with loop(file) as device:
        found = {one.disk.name: one for one in survey([Path("/")])}
        assert found[device.name].objections == ()
        assert found[device.name].disk == disk_of(device)
        with loop(file):
            twins = {one.disk.name: one for one in survey([])}
            assert "same serial number" in twins[device.name].objections[0].why


def test_only_root_wipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PermissionDeniedError, match="sudo"):
        chosen("S1")


@contextmanager
def failing(file: Path, folder: Path, *, on: str) -> Iterator[tuple[Path, Path]]:
    """A disk whose reads or writes (`pread`, `pwrite`) fail as soon as the second file is there: nbdkit behind FUSE."""
    place, trigger = folder / "nbd", folder / "fails-now"
    place.touch()
    rates = {"pread": "0%", "pwrite": "0%"} | {on: "100%"}
    words = ["nbdfuse", str(place), "--command", "nbdkit", "-s", "--filter=error", "file", str(file)]
    words += [f"error-{name}={'EIO'}" for name in rates] + [f"error-{name}-rate={rate}" for name, rate in rates.items()]
    with subprocess.Popen([*words, f"error-file={trigger}"], stderr=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 20
            while place.stat().st_size != SIZE:
                assert time.monotonic() < deadline, "nbdfuse did not begin"
                time.sleep(0.02)
            with loop(place) as device:
                yield device, trigger
        finally:
            trigger.unlink(missing_ok=True)
            subprocess.run(["fusermount3", "-u", "-z", str(place)], check=False, stderr=subprocess.DEVNULL)
            server.terminate()


@pytest.mark.parametrize(
    ("on", "phase", "result", "words"),
    [
        ("pwrite", "overwriting", "failed", "cannot be written at byte"),
        ("pread", "reading back", "unknown", "cannot be read at byte"),
    ],
)
def test_a_disk_that_fails_in_mid_wipe_has_never_passed(
    file: Path, tmp_path: Path, on: str, phase: str, result: str, words: str
) -> None:
    with failing(file, tmp_path, on=on) as (device, trigger):
        serial = disk_of(device).identity
        seen: list[str] = []

        def step(_fraction: float, told: str) -> None:
            seen.append(told)
            if sum(phase in one for one in seen) == 3:
                trigger.touch()

        (erasure,) = wiping(serial).wipe(chosen(serial), step)
    assert (erasure.result, erasure.verification) == (result, "none")
    assert words in erasure.reason


def test_one_disk_that_fails_does_not_keep_the_next_from_being_wiped(file: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.raw"
    second.write_bytes(os.urandom(3 * MIB))
    with failing(file, tmp_path, on="pwrite") as (device, trigger), loop(second) as other:
        serials = (disk_of(device).identity, str(second))
        plan = chosen(*serials)
        trigger.touch()
        ended = wiping(*serials).wipe(plan, lambda *_: None)
        assert is_zero(other, 3 * MIB)
    assert [one.result for one in ended] == ["failed", "passed"]


def test_a_disk_that_changed_its_size_is_not_the_one_that_was_chosen(file: Path) -> None:
    with loop(file):
        (plan,) = chosen(str(file))
        smaller = replace(plan, meant=replace(plan.meant, size_bytes=SIZE - 512))
        with pytest.raises(RefusedError, match=f"size {SIZE}, not {SIZE - 512}"):
            wiping(str(file)).wipe([smaller], lambda *_: None)
