"""A drive that this machine runs on is never taken for a stick, whatever was allowed; with real loop devices."""

import subprocess
from pathlib import Path

import pytest

from tests.disks.block_devices import image, loop, only_root, run
from toolkit.disks.in_use import Reason, uses
from toolkit.disks.plugged import of_device, of_image
from toolkit.media.permitted import check_permitted
from toolkit.model.errors import RefusedError


def test_an_image_file_may_be_written(tmp_path: Path) -> None:
    check_permitted(of_image(image(tmp_path / "stick.img", "vfat")))


@only_root
def test_a_drive_that_is_not_removable_has_to_be_named_on_purpose(tmp_path: Path) -> None:
    with loop(image(tmp_path / "stick.img", "ext4")) as device:
        stick = of_device(device.name)
        for allowed in ((), ("",), ("/dev/other",)):
            with pytest.raises(RefusedError, match="not removable") as refused:
                check_permitted(stick, allowed)
        assert f"--allow-fixed {device}" in refused.value.next_move
        check_permitted(stick, [str(device)])


@only_root
def test_a_mount_that_only_another_process_sees_counts(tmp_path: Path) -> None:
    with loop(image(tmp_path / "stick.img", "ext4")) as device:
        script = 'mount "$1" /mnt && echo ready && read -r _'
        with subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", script, "sh", str(device)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"ready\n"
            (use,) = uses(device.name)
            assert (use.reason, f"{device.name} on /mnt" in use.why) == (Reason.MOUNTED, True)
            with pytest.raises(RefusedError, match="in use"):
                check_permitted(of_device(device.name), [str(device)])
            other.communicate(b"\n")


@only_root
def test_swap_space_counts(tmp_path: Path) -> None:
    (tmp_path / "swap.img").write_bytes(bytes(1 << 20))
    with loop(tmp_path / "swap.img") as device:
        run("mkswap", device)
        run("swapon", device)
        try:
            (use,) = uses(device.name)
            assert (use.reason, str(device) in use.why) == (Reason.SWAP, True)
        finally:
            run("swapoff", device)
        assert not uses(device.name)


def lay(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def test_what_is_built_on_a_drive_counts_as_its_use(tmp_path: Path) -> None:
    """A tree as sysfs lays it: RAID on a partition, mounted as the machine's root."""
    system, processes = tmp_path / "sys", tmp_path / "proc"
    lay(system / "class/block", {"sda/dev": "8:0\n", "sda/sda1/partition": "1\n", "sda1/partition": "1\n"})
    lay(system / "class/block", {"sda1/dev": "8:1\n", "sda1/holders/md0": "", "md0/dev": "9:0\n"})
    lay(processes, {"swaps": "Filename\tType\n", "1/mountinfo": "20 1 9:0 / / rw - ext4 /dev/md0 rw\n"})
    found = {use.reason: use.why for use in uses("sda", system, processes)}
    assert {*found} == {Reason.HELD, Reason.MOUNTED}
    assert "md0" in found[Reason.HELD]
    assert "md0 on /" in found[Reason.MOUNTED]


def test_the_disk_of_this_machines_root_is_in_use() -> None:
    number = Path("/").stat().st_dev
    disk = Path(f"/sys/dev/block/{number >> 8 & 0xFFF}:{number & 0xFF}").resolve()
    if not disk.exists():
        assert number >> 8 == 0  # root lies on no disk of its own here, as in containers: there is none to protect
        return
    name = disk.parent.name if (disk / "partition").exists() else disk.name
    assert any(" on / " in f"{use.why} " for use in uses(name))
