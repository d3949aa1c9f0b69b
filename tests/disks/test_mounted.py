"""A mount that we have for ourselves: nobody sees it, nothing follows a link, and it goes when we are killed.

Only root can mount; there are no fakes here.
"""

import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disks.block_devices import change_medium, image, loop, only_root, run
from toolkit.disks import mount_namespace, programs
from toolkit.disks.mounted import Mounted
from toolkit.disks.opening import open_volume, opened
from toolkit.disks.refusal import Failed, Refused
from toolkit.disks.volumes import FOLDER, Damaged, FileSystem, Gone, find

DATA = os.urandom(1 << 20)
KINDS = ["ext4", "exfat"]


def found(path: Path) -> FileSystem:
    there = find(path)
    assert there is not None
    return there


def in_the_namespace(*words: str | Path) -> None:
    """Runs a program where the volume is mounted."""
    thread = next(thread for thread in threading.enumerate() if thread.name == "mount-namespace")
    run("nsenter", f"--mount=/proc/self/task/{thread.native_id}/ns/mnt".replace("self", str(os.getpid())), *words)


@only_root
@pytest.mark.parametrize("kind", KINDS)
def test_nobody_else_sees_it_and_it_lets_no_program_run(tmp_path: Path, kind: str) -> None:
    with loop(image(tmp_path / "stick.img", kind)) as device, open_volume(found(device), writing=True) as volume:
        volume.write("one", [DATA])
        number = Path(f"/sys/class/block/{device.name}/dev").read_text().strip()
        assert f" {number} " not in Path("/proc/self/mountinfo").read_text()
        thread = next(thread for thread in threading.enumerate() if thread.name == "mount-namespace")
        lines = Path(f"/proc/self/task/{thread.native_id}/mountinfo").read_text().splitlines()
        (line,) = (line for line in lines if line.split()[2] == number)
        assert {"nosuid", "nodev", "noexec"} <= {*line.split()[5].split(",")}


@only_root
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("all_at_once", [False, True], ids=["us", "us and who serves us"])
def test_killed_in_the_midst_nothing_is_left_mounted_and_nothing_runs_on(
    tmp_path: Path, kind: str, all_at_once: bool
) -> None:
    """A file system's own server must not be the last to see it mounted: it would wait for itself, for ever."""
    with loop(image(tmp_path / "stick.img", kind)) as device:
        stick = found(device)
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.setsid()

            def pieces() -> Iterator[bytes]:
                yield DATA
                os.write(writer, b"x")
                time.sleep(60)

            with open_volume(stick, writing=True) as volume:
                volume.write("one", pieces())
            os._exit(0)
        os.read(reader, 1)
        if all_at_once:
            os.killpg(child, signal.SIGKILL)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        deadline = time.monotonic() + 20
        while True:  # the kernel takes the namespace down after the process has gone
            try:
                with open_volume(stick, writing=True) as volume:
                    assert "one" not in volume.names()
                    volume.write("one", [DATA])
                break
            except Failed:
                assert time.monotonic() < deadline
        programs = subprocess.run(["pgrep", "-f", f"exfat.*{device}"], capture_output=True, check=False)
        assert not programs.stdout
        with open_volume(stick, writing=False) as volume:
            assert b"".join(volume.read("one")) == DATA


@only_root
@pytest.mark.parametrize("kind", KINDS)
def test_unmounted_behind_our_back_nothing_more_is_written_anywhere(tmp_path: Path, kind: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with loop(image(tmp_path / "stick.img", kind)) as device:
        stick = found(device)

        def pieces() -> Iterator[bytes]:
            yield DATA
            in_the_namespace("umount", "--lazy", "/mnt/volume")
            if kind == "ext4":
                run("mount", "-t", kind, device, elsewhere)
            time.sleep(0.3)  # so long it may take until the table of mounts is looked at again
            yield DATA

        try:
            with pytest.raises(Gone, match="not mounted any more"), open_volume(stick, writing=True) as volume:
                volume.write("one", pieces())
            assert not (elsewhere / FOLDER / "one").exists()
        finally:
            subprocess.run(["umount", str(elsewhere)], check=False, capture_output=True)
        assert not (Path("/mnt") / FOLDER).exists()


@only_root
@pytest.mark.parametrize("kind", ["vfat", *KINDS])
def test_a_stick_swapped_for_its_own_copy_is_noticed(tmp_path: Path, kind: str) -> None:
    """The same label, UUID and size; only the kernel's count of media tells."""
    first = image(tmp_path / "first.img", kind)
    with loop(first) as device, open_volume(found(device), writing=True) as volume:
        volume.write("one", [DATA] * 4)
    second = tmp_path / "second.img"
    second.write_bytes(first.read_bytes())
    with loop(first, "--read-only") as device:
        volume = opened(found(device), writing=False)
        pieces = volume.read("one")
        assert next(pieces)
        change_medium(device, second)
        with pytest.raises(Gone, match="another device"):
            next(pieces)
        with pytest.raises(Gone, match="another device"):
            volume.close()


@only_root
def test_links_and_folders_on_the_stick_lead_nowhere(tmp_path: Path) -> None:
    secret, place = tmp_path / "secret", tmp_path / "place"
    secret.write_text("not for the stick's maker")
    place.mkdir()
    with loop(image(tmp_path / "stick.img", "ext4")) as device:
        run("mount", device, place)
        (place / FOLDER).mkdir()
        (place / FOLDER / "link").symlink_to(secret)
        (place / FOLDER / "folder").mkdir()
        os.mkfifo(place / FOLDER / "pipe")
        (place / FOLDER / ".one").symlink_to(secret)
        run("umount", place)
        with open_volume(found(device), writing=False) as volume:
            for name in ("link", "folder", "pipe"):
                with pytest.raises(Damaged, match=name):
                    [*volume.read(name)]
        with open_volume(found(device), writing=True) as volume:
            volume.write("one", [b"x"])
    assert secret.read_text() == "not for the stick's maker"


@only_root
@pytest.mark.parametrize("target", ["/etc", "file"])
def test_a_folder_of_ours_that_is_a_link_is_not_followed(tmp_path: Path, target: str) -> None:
    place = tmp_path / "place"
    place.mkdir()
    with loop(image(tmp_path / "stick.img", "ext4")) as device:
        run("mount", device, place)
        (place / FOLDER).symlink_to(target)
        run("umount", place)
        with (
            pytest.raises(Damaged, match="is no folder"),
            open_volume(found(device), writing=True) as volume,
        ):
            volume.write("one", [b"x"])
    assert not Path("/etc/one").exists()


def test_without_root_it_is_said_who_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Refused, match="only root can mount"):
        Mounted(FileSystem(tmp_path, "ext4", "", "", 0), writing=True)


@only_root
def test_without_a_kernel_or_a_program_that_has_exfat_it_is_said_that_both_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel here may have exFAT: the answer of one without is the only thing that is made up."""
    mount = mount_namespace.mount

    def without_exfat(source: str, place: Path, kind: str, flags: int, data: str) -> None:
        if kind == "exfat":
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        mount(source, place, kind, flags, data)

    monkeypatch.setattr(mount_namespace, "mount", without_exfat)
    with loop(image(tmp_path / "stick.img", "exfat")) as device:
        stick = found(device)
        monkeypatch.setattr(programs, "_SYSTEM", ())
        monkeypatch.setenv("PATH", "/usr/bin")  # where exfat-fuse is not
        with pytest.raises(Refused, match=r"has no exfat, and mount\.exfat-fuse is not installed"):
            opened(stick, writing=True)


@only_root
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_system_is_refused_and_nothing_hangs(tmp_path: Path, kind: str) -> None:
    path = image(tmp_path / "stick.img", kind)
    content = bytearray(path.read_bytes())
    content[2048:200_000] = b"\xff" * (200_000 - 2048)
    path.write_bytes(content)
    with loop(path) as device:
        stick = find(device)
        assert stick is not None
        with pytest.raises(Failed, match=str(device)), open_volume(stick, writing=True) as volume:
            volume.write("one", [DATA])
