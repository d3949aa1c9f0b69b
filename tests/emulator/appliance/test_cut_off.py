"""A change that cuts a box off is undone by the box, on a real wire."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.emulator.appliance.cut_off_story import SECOND_MAC
from tests.emulator.appliance.wire_story import MAC

Seen = dict[str, Any]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The whole story, told once in a network namespace of its own."""
    folder = tmp_path_factory.mktemp("wire")
    told = subprocess.run(
        ["unshare", "-Urn", sys.executable, "-m", "tests.emulator.appliance.cut_off_story", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert told.returncode == 0, told.stderr
    document: Seen = json.loads(told.stdout)
    return document


def test_every_port_has_its_name_mac_link_and_speed(seen: Seen) -> None:
    assert seen["ports"] == [
        {"name": name, "mac": mac, "link": True, "speed_mbps": 10000}
        for name, mac in (("eth0", MAC), ("eth1", SECOND_MAC))
    ]


@pytest.mark.parametrize("cut_off", ["another network", "a prefix that leaves us out"])
def test_a_box_that_was_cut_off_answers_again_with_its_routes(seen: Seen, cut_off: str) -> None:
    assert seen[cut_off] == ["nobody confirmed it within 1.5 s", True]


def test_what_was_confirmed_is_in_the_kernel(seen: Seen) -> None:
    assert seen["confirmed"] == "confirmed"
    assert seen["routes"] is True
    assert seen["backstage"] is True


def test_a_power_cut_undoes_what_was_not_confirmed_and_keeps_what_was(seen: Seen) -> None:
    reason = "the box was switched on before the change was confirmed"
    assert seen["after a power cut"] == [True, "reverted", reason]
    assert seen["routes after it"] is True
    assert seen["backstage after it"] is True
