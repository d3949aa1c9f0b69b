"""Tells systemd that the box is up, so that it starts what else the machine has, and when the machine is to end."""

import contextlib
import os
import socket
import subprocess


def tell_ready() -> None:
    """READY=1 to whoever started this process (sd_notify(3)); nobody asked: nothing is told. May be told again."""
    place = os.environ.get("NOTIFY_SOCKET")
    if place:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messages:
            messages.sendto(b"READY=1", "\0" + place[1:] if place.startswith("@") else place)


def end_machine(again: bool) -> None:
    """Switches the machine off, or starts it again, in good order (systemctl(1))."""
    subprocess.run(["systemctl", "--no-block", "reboot" if again else "poweroff"], check=True)
