"""`rebox migrate` and Ctrl-C: what it says then can be done, and nothing is left that it does not name."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from toolkit.lab.folder import labs
from toolkit.lab.lab import take_down

_TOPOLOGY = "[site]\nsize_mb = 1\n"
_LONG_ENOUGH = "install-site-package"
"""A step that takes seconds: there is time to interrupt it."""


@dataclass(frozen=True)
class Interrupted:
    """How it ended, and all that was on the terminal."""

    status: int
    words: str
    state: Path
    topology: Path


def interrupted(folder: Path, *options: str) -> Interrupted:
    """A rehearsal on a terminal of its own; Ctrl-C is typed while the new box installs its package."""
    state, topology = folder / "state", folder / "small.toml"
    topology.write_text(_TOPOLOGY, encoding="utf-8")
    keyboard, far_end = pty.openpty()
    command = [sys.executable, "-m", "toolkit.cli.main", "migrate", "--topology", str(topology)]
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command, "--runs", str(folder / "runs"), *options],
        env={**os.environ, "REBOX_STATE": str(state), "COLUMNS": "1000", "TERM": "dumb"},
        stdin=far_end,
        stdout=far_end,
        stderr=far_end,
    )
    os.close(far_end)
    said, typed, deadline = b"", False, time.monotonic() + 200
    while True:
        assert time.monotonic() < deadline, said
        if not typed and _acts(folder / "runs" / "latest" / "journal.jsonl"):
            os.write(keyboard, b"\x03")
            typed = True
        if not select.select([keyboard], [], [], 0.05)[0]:
            continue
        try:
            piece = os.read(keyboard, 65536)
        except OSError:  # Linux says so when the other end has been closed
            break
        said += piece
    os.close(keyboard)
    return Interrupted(process.wait(30), " ".join(said.decode().split()), state, topology)


def _acts(journal: Path) -> bool:
    if not journal.exists():
        return False
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
    return any(line["event"] == "acting" and line["step"] == _LONG_ENOUGH for line in lines)


def test_the_lab_is_gone_and_it_says_so_and_how_to_start_again(tmp_path: Path) -> None:
    ended = interrupted(tmp_path)
    assert ended.status == 130, ended.words
    assert ended.words.count("INTERRUPTED") == 1
    assert "The lab is gone" in ended.words
    assert f"Start again with: rebox migrate --topology {ended.topology}; --keep leaves the lab up." in ended.words
    assert labs(ended.state) == []
    for promise in ("rebox resume", "rebox back"):
        assert promise not in ended.words
    # and who tries it nevertheless is told why not
    for words in (["resume", "latest"], ["back", "latest", "--yes"]):
        command = [sys.executable, "-m", "toolkit.cli.main", *words, "--runs", str(tmp_path / "runs")]
        tried = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert tried.returncode == 2, tried.stderr
        assert "its lab was taken down" in tried.stderr


def test_a_kept_lab_is_there_and_the_run_goes_on_in_it_as_it_says(tmp_path: Path) -> None:
    ended = interrupted(tmp_path, "--keep")
    (lab,) = labs(ended.state)
    try:
        assert ended.status == 130, ended.words
        said = re.search(
            r"Go on with: rebox (lab exec --name \S+ operator --) rebox (resume latest --runs \S+)", ended.words
        )
        assert said, ended.words
        # exactly what it says, but for the direction: the way back is shorter
        back = said[2].replace("resume latest", "back latest --yes")
        rebox = f"{sys.executable} -m toolkit.cli.main"
        command = f"{rebox} {said[1]} {rebox} {back}"
        environment = {**os.environ, "REBOX_STATE": str(ended.state)}
        went = subprocess.run(
            command.split(), env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert went.returncode == 0, went.stderr
        assert "WENT-BACK" in went.stdout
    finally:
        take_down(lab)


def test_a_mistake_before_there_is_a_run_is_one_document_with_json(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "toolkit.cli.main", "migrate", "--inventory", str(tmp_path / "nowhere.toml")]
    ended = subprocess.run(
        [*command, "--runs", str(tmp_path / "runs"), "--json"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (2, "")
    assert '"error": "input"' in ended.stdout
