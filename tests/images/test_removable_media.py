"""A USB stick put into a running machine, and taken out again."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.images.machine import machine
from tests.images.sockets import JsonSocket, run_in_guest
from tests.images.test_boot import BOOT_SECONDS_MAX
from toolkit.images.build import Image

pytestmark = [pytest.mark.image, pytest.mark.endurance, pytest.mark.timeout(900)]


def test_a_stick_put_in_is_found_by_its_label_read_and_gone_when_it_is_taken_out(
    appliance: Image, tmp_path: Path, disks: list[Path], port: int
) -> None:
    stick = tmp_path / "stick.img"
    with stick.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["/usr/sbin/mkfs.vfat", "-n", "STICK", stick], check=True, capture_output=True)
    subprocess.run(["mcopy", "-i", stick, "-", "::/hello.txt"], input=b"hello from the stick", check=True)
    control, agent_at = tmp_path / "qmp", tmp_path / "agent"
    more = (
        "-device", "qemu-xhci,id=usb", "-qmp", f"unix:{control},server=on,wait=off",
        "-device", "virtio-serial-pci", "-chardev", f"socket,path={agent_at},server=on,wait=off,id=agent",
        "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
        "-drive", f"file={stick},if=none,id=stick,format=raw",
    )  # fmt: skip
    with machine(appliance.folder, appliance.manifest, tmp_path, disks, port=port, more=more) as box:
        box.wait_for("ssh host key:", BOOT_SECONDS_MAX)
        with JsonSocket(control) as qemu, JsonSocket(agent_at) as agent:
            qemu.call("qmp_capabilities")
            agent.call("guest-ping")
            place = "/dev/disk/by-label/STICK"
            assert run_in_guest(agent, "/bin/test", "-e", place)[0] != 0
            qemu.call("device_add", driver="usb-storage", id="plugged", drive="stick", removable=True, serial="S-1")
            wait(agent, place, there=True)
            assert run_in_guest(agent, "/bin/mount", "-o", "ro", place, "/mnt")[0] == 0
            assert run_in_guest(agent, "/bin/cat", "/mnt/hello.txt") == (0, "hello from the stick")
            assert run_in_guest(agent, "/bin/umount", "/mnt")[0] == 0
            qemu.call("device_del", id="plugged")
            wait(agent, place, there=False)


def wait(agent: JsonSocket, place: str, *, there: bool) -> None:
    deadline = time.monotonic() + BOOT_SECONDS_MAX
    while time.monotonic() < deadline:
        if (run_in_guest(agent, "/bin/test", "-e", place)[0] == 0) == there:
            return
        time.sleep(0.2)
    raise AssertionError(f"{place} {'never turned up' if there else 'stayed'}")
