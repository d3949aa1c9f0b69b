"""`rebox lab` as people and programs use it."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.conftest import PLAIN
from tests.lab.traces import traces

REBOX = (sys.executable, "-m", "toolkit.cli.main", "lab")


class Terminal:
    """Runs `rebox lab` with a state folder of its own."""

    def __init__(self, state: Path) -> None:
        self.environment = {**os.environ, "REBOX_STATE": str(state), "TERM": "dumb", "COLUMNS": "200"}
        self.environment.pop("REBOX_LAB", None)
        self.topology = state / "plain.toml"
        self.topology.write_text(PLAIN, encoding="utf-8")

    def __call__(self, *words: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            (*REBOX, *words), env=self.environment, input=typed, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def rebox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    rebox = Terminal(tmp_path_factory.mktemp("state"))
    told = rebox("up", str(rebox.topology))
    assert told.returncode == 0, told.stderr
    assert "Lab plain is up after" in told.stdout
    yield rebox
    assert rebox("down").returncode == 0


def test_up_again_says_so_and_succeeds(rebox: Terminal) -> None:
    told = rebox("up", str(rebox.topology), "--json")

    assert told.returncode == 0
    assert json.loads(told.stdout)["was_up"] is True
    assert "was up already" in rebox("up", str(rebox.topology)).stdout


def test_another_topology_under_the_same_name_is_refused(rebox: Terminal, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(PLAIN.replace("12", "14"), encoding="utf-8")

    told = rebox("up", str(other))

    assert told.returncode == 3
    assert "another topology" in told.stderr
    assert "rebox lab down --name plain" in told.stderr


def test_status_is_a_table_for_people_and_json_for_programs(rebox: Terminal) -> None:
    table = rebox("status").stdout
    machines = json.loads(rebox("status", "--name", "plain", "--json").stdout)["machines"]

    assert "10.77.0.11" in table
    assert machines["a"] == {
        "role": "plain",
        "power": "on",
        "link": "up",
        "process_id": None,
        "exit_status": None,
        "addresses": ["10.77.0.11/24", "fd77::11/64"],
    }
    assert json.loads(rebox("list", "--json").stdout)[0]["state"] == "up"


def test_exec_passes_input_output_and_status_through(rebox: Terminal) -> None:
    told = rebox("exec", "a", "--", "sh", "-c", "cat; hostname; exit 42", typed="hello\n")

    assert told.stdout == "hello\na\n"
    assert told.stderr == ""
    assert told.returncode == 42


def test_inside_a_lab_rebox_means_that_lab(rebox: Terminal) -> None:
    told = rebox("exec", "a", "--", "env", "-u", "REBOX_STATE", *REBOX, "exec", "b", "--", "hostname")

    assert told.stdout == "b\n", told.stderr


def test_a_lab_is_not_taken_down_from_inside(rebox: Terminal) -> None:
    told = rebox("exec", "a", "--", *REBOX, "down", "--name", "plain")

    assert told.returncode == 3
    assert "from inside" in told.stderr
    assert rebox("status").returncode == 0


def test_a_lab_is_not_taken_down_from_where_its_supervisor_cannot_be_seen(rebox: Terminal) -> None:
    elsewhere = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")
    told = subprocess.run(
        (*elsewhere, *REBOX, "down", "--name", "plain"),
        env=rebox.environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 3
    assert "Take it down where it was built" in told.stderr
    assert rebox("status").returncode == 0


def test_power_and_link_are_told(rebox: Terminal) -> None:
    assert "dark is on." in rebox("power", "dark", "on").stdout
    assert "The link of dark is down." in rebox("link", "dark", "down").stdout
    assert "The link of dark is up." in rebox("link", "dark", "up").stdout
    assert "dark is off." in rebox("power", "dark", "off", "--crash").stdout
    assert rebox("power", "dark", "on", "--crash").returncode == 2


def test_a_shell_lives_on_a_terminal_and_survives_ctrl_c(rebox: Terminal) -> None:
    with screen((*REBOX, "shell", "b"), {**rebox.environment, "SHELL": "/bin/sh", "PS1": "ready> "}) as (
        keyboard,
        shell,
    ):
        wait_for(keyboard, "ready> ")
        os.write(keyboard, b"sh -c 'hostname; exec sleep 1000'\n")
        wait_for(keyboard, "\r\nb\r\n")
        os.write(keyboard, b"\x03")
        wait_for(keyboard, "ready> ")
        os.write(keyboard, b"echo $((6*7)); exit 7\n")
        wait_for(keyboard, "\r\n42\r\n")
        assert shell.wait(timeout=20) == 7


def test_a_command_is_a_job_like_any_other_for_the_shell_outside(rebox: Terminal) -> None:
    command = " ".join((*REBOX, "exec", "b", "--", "cat")).encode()
    bash = ("bash", "--norc", "--noediting", "-i")
    with screen(bash, {**rebox.environment, "PS1": "ready> "}) as (keyboard, shell):
        wait_for(keyboard, "ready> ")
        os.write(keyboard, command + b"\n")
        wait_for(keyboard, "cat\r\n")
        os.write(keyboard, b"first\n")
        wait_for(keyboard, "first\r\nfirst\r\n")
        os.write(keyboard, b"\x1a")
        wait_for(keyboard, "ready> ")
        os.write(keyboard, b"fg\n")
        wait_for(keyboard, "cat\r\n")
        os.write(keyboard, b"second\n")
        wait_for(keyboard, "second\r\nsecond\r\n")
        os.write(keyboard, b"\x03")
        wait_for(keyboard, "ready> ")
        os.write(keyboard, b"exit $?\n")
        assert shell.wait(timeout=20) == 128 + signal.SIGINT


@contextmanager
def screen(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """A command on a terminal of its own; hung up at the end."""
    keyboard, far_end = pty.openpty()
    shell = subprocess.Popen(
        ("setsid", "--ctty", "--wait", *command), env=environment, stdin=far_end, stdout=far_end, stderr=far_end
    )
    os.close(far_end)
    try:
        yield keyboard, shell
    finally:
        os.close(keyboard)
        shell.wait(timeout=20)


def wait_for(terminal: int, words: str) -> None:
    seen, deadline = "", time.monotonic() + 20
    while words not in seen:
        readable, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        assert readable, seen
        seen += os.read(terminal, 4096).decode()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("exec", "c", "--", "true"), 2, "It has: a, b, dark."),
        (("power", "c", "on"), 2, "no machine 'c'"),
        (("status", "--name", "other"), 1, "rebox lab up --name other"),
        (("status", "--name", "../x"), 2, "cannot be a lab's name"),
        (("up", "/no/such/file.toml"), 2, "No such file"),
        (("exec", "a"), 2, "COMMAND"),
    ],
)
def test_a_mistake_is_explained(rebox: Terminal, words: tuple[str, ...], status: int, said: str) -> None:
    told = rebox(*words)

    assert told.returncode == status
    assert said in told.stderr
    assert "Traceback" not in told.stderr


def test_with_several_labs_one_must_be_named_and_all_can_be_taken_down(state: Path) -> None:
    rebox = Terminal(state)
    for name in ("one", "two"):
        assert rebox("up", str(rebox.topology), "--name", name).returncode == 0

    told = rebox("status")
    assert told.returncode == 2
    assert "one, two" in told.stderr

    assert rebox("down", "--all").returncode == 0
    assert traces(state / "labs" / "one") == traces(state / "labs" / "two") == []
    assert "There is no lab one." in rebox("down", "--name", "one").stdout
    assert rebox("down", "--all").returncode == 0
