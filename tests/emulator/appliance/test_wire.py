"""What a neighbour on a real wire sees: ARP, neighbour advertisements, silence (requirement F6)."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.emulator.appliance.wire_story import BOX, MAC, SHARED, SHARED6

Seen = dict[str, Any]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The whole story, told once in a network namespace of its own."""
    folder = tmp_path_factory.mktemp("wire")
    told = subprocess.run(
        ["unshare", "-Urn", sys.executable, "-m", "tests.emulator.appliance.wire_story", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert told.returncode == 0, told.stderr
    document: Seen = json.loads(told.stdout)
    return document


def test_the_box_puts_its_own_mac_on_its_card(seen: Seen) -> None:
    assert seen["box answers with"] == [MAC]


def test_a_disabled_shared_address_is_silent(seen: Seen) -> None:
    assert seen["shared before"] == [[], False, False]


def test_enabling_announces_by_both_forms_of_arp_before_it_is_answered(seen: Seen) -> None:
    assert seen[f"announced at once {SHARED}"] == ["request", "reply"] * 3
    assert seen["shared enabled"] == [MAC]


def test_enabling_announces_by_neighbour_advertisement_before_it_is_answered(seen: Seen) -> None:
    assert seen[f"announced at once {SHARED6}"] == ["advertisement"] * 3


def test_the_listener_is_ready_before_the_address_arrives(seen: Seen) -> None:
    assert seen[f"served at once {SHARED}"] is True
    assert seen[f"served at once {SHARED6}"] is True


def test_disabling_makes_the_kernel_stop_answering(seen: Seen) -> None:
    assert seen["served after"] == [False, False]
    assert seen["shared disabled"] == []


def test_an_address_that_was_given_up_is_never_announced_again(seen: Seen) -> None:
    assert seen["announced after"] == []


def test_the_planted_faults_show_on_the_wire(seen: Seen) -> None:
    assert seen["announced with the fault"] == []
    assert seen["disabled with the fault"] == [MAC], "it said ok and still has the address"


def test_a_power_cut_leaves_the_address_where_it_was_put(seen: Seen) -> None:
    assert seen["after a power cut"] == [[MAC], True]


def test_a_box_that_was_shut_down_answers_nothing(seen: Seen) -> None:
    assert seen["status at the end"] == 0
    assert seen["after the end"] == [[], []], f"neither {BOX} nor {SHARED}"
