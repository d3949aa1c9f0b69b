"""Whatever file or folder a command is given: it answers in words, never with a traceback, and ends."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.cli.bad_paths_story import NOT_TRIED, OTHERS, commands, paths_of

Told = dict[str, dict[str, Any]]
SEEING = ("runs", "lab list")
"""What only looks, and finds nothing where there is nothing."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """What every command said, run without the right to read and write everything."""
    folder = tmp_path_factory.mktemp("paths")
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    story = [sys.executable, "-m", "tests.cli.bad_paths_story", str(folder), str(folder / "told.json")]
    done = subprocess.run([*without, *story], capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    for closed in ("closed", "read-only", "runs/of-another"):
        (folder / closed).chmod(0o700)  # so that pytest can clear it away
    found: Told = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    return found


def test_every_command_that_takes_a_path_was_tried(told: Told) -> None:
    there = {(words, path.name) for words, command in commands() for path in paths_of(command)}
    tried = {tuple(case.split(" / ")[:2]) for case in told if " / " in case}
    assert there - set(NOT_TRIED) - tried == set()
    assert set(NOT_TRIED) <= there
    assert set(OTHERS) <= {words for words, _ in commands()}


def test_nobody_sees_a_traceback_and_nothing_hangs(told: Told) -> None:
    bad = {
        case: seen["said"][-300:]
        for case, seen in told.items()
        if "Traceback" in seen["said"] or "fault of the toolkit" in seen["said"] or seen["status"] not in range(5)
    }
    assert bad == {}


def test_each_refusal_is_an_error_in_words(told: Told) -> None:
    refused = {case: seen for case, seen in told.items() if seen["status"] != 0}
    assert {case for case, seen in refused.items() if not seen["said"].strip()} == set()
    assert {case.split(" / ")[0] for case in told if case not in refused} <= {*SEEING, "runs of others"}


def test_runs_lists_what_it_can_and_says_what_it_cannot(told: Told) -> None:
    seen = told["runs of others"]
    assert "of-another" in seen["said"]
    assert "unreadable" in seen["said"]
    assert "Permission denied" in seen["said"]
    assert "Run the command as the user who made it" in seen["said"]


@pytest.mark.parametrize("command", ["resume", "back", "report"])
def test_the_run_of_another_user_is_refused_with_the_reason(told: Told, command: str) -> None:
    seen = told[f"{command} of another"]
    assert seen["status"] == 2
    assert "the run cannot be read" in seen["said"]
    assert "Run the command as the user who made it" in seen["said"]
