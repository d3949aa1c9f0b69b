"""Sticks that come and go, seen by pyudev in a world of umockdev's; only the USB ports are made up."""

import json
import os
import subprocess
import sys
from typing import Any

from toolkit.media.sticks import sticks


def seen(what: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["umockdev-wrapper", sys.executable, "-m", "tests.media.udev", what],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_stick_is_listed_with_all_that_it_can_be_chosen_by() -> None:
    first, second = seen("listing")
    assert (first["path"], first["vendor"], first["model"]) == ("/dev/sdy", "SanDisk", "Cruzer Blade")
    assert (first["serial"], first["bus"], first["port"]) == ("4C530001", "usb", "1-2")
    assert (first["size_bytes"], first["removable"], first["label"]) == (40 << 20, "True", "CARRIED")
    assert (second["path"], second["serial"], second["port"], second["label"]) == ("/dev/sdz", "4C530002", "1-3", "")


def test_what_comes_and_goes_is_told_once_each() -> None:
    assert [(event["event"], event["path"], event["port"]) for event in seen("events")] == [
        ("plugged", "/dev/sdy", "1-2"),
        ("plugged", "/dev/sdz", "1-3"),
        ("unplugged", "/dev/sdy", "1-2"),
        ("plugged", "/dev/sdy", "1-5"),
    ]


def test_this_machines_fixed_disks_are_no_sticks() -> None:
    assert all(stick.removable for stick in sticks())
