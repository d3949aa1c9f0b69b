"""A lab lives: its machines reach each other, can be entered, switched off and unplugged."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from toolkit.lab.control import socket_address
from toolkit.lab.lab import Lab
from toolkit.model.errors import InputError


def answers(lab: Lab, address: str) -> bool:
    return lab.run("a", ["ping", "-c", "1", "-W", "1", address]).returncode == 0


def test_machines_reach_each_other_in_both_networks_and_nothing_else(lab: Lab) -> None:
    assert answers(lab, "10.77.0.12")
    assert answers(lab, "fd77::12")
    assert not answers(lab, "1.1.1.1")


def test_a_machine_has_the_addresses_the_mac_and_the_name_it_was_given(lab: Lab) -> None:
    described = lab.description.machines["b"]
    seen = lab.run("b", ["ip", "-o", "addr", "show", described.interface]).stdout
    link = lab.run("b", ["ip", "-o", "link", "show", described.interface]).stdout

    assert all(address in seen for address in described.addresses)
    assert described.mac in link
    assert lab.run("b", ["hostname"]).stdout == "b\n"


def test_nothing_the_machine_has_set_for_itself_gets_in(lab: Lab) -> None:
    settings = ["net.ipv4.conf.all.forwarding", "net.ipv4.conf.eth0.rp_filter", "net.ipv4.conf.eth0.arp_ignore"]

    assert lab.run("b", ["sysctl", "-n", *settings]).stdout.split() == ["0", "0", "0"]


def test_a_command_gets_input_folder_and_environment_and_gives_status(lab: Lab, tmp_path: Path) -> None:
    ended = lab.run(
        "a",
        ["sh", "-c", 'cat; pwd; echo "$WORD $REBOX_LAB_MACHINE"; id -u; echo no >&2; exit 9'],
        standard_input="hello\n",
        folder=tmp_path,
        environment={"WORD": "bird"},
    )

    assert ended.stdout == f"hello\n{tmp_path}\nbird a\n0\n"
    assert ended.stderr == "no\n"
    assert ended.returncode == 9


def test_files_written_inside_belong_to_the_caller(lab: Lab, tmp_path: Path) -> None:
    lab.run("a", ["sh", "-c", "echo mine > file"], folder=tmp_path)

    assert (tmp_path / "file").stat().st_uid == tmp_path.stat().st_uid


def test_raw_sockets_work_inside(lab: Lab) -> None:
    code = "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).bind(('eth0', 0))"

    assert lab.run("a", [sys.executable, "-c", code]).returncode == 0


def test_a_program_that_is_not_there_is_said_like_a_shell_does(lab: Lab) -> None:
    ended = lab.run("a", ["no-such-program"])

    assert ended.returncode == 127
    assert "no-such-program: No such file or directory" in ended.stderr


def test_a_signal_reaches_the_program_and_its_end_is_told(lab: Lab) -> None:
    code = "trap 'echo caught; exit 5' USR1; echo ready; while :; do read -r _; done"
    with lab.popen("a", ["bash", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGUSR1)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "caught\n"
        assert process.wait(timeout=10) == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_who_ends_the_command_ends_the_program(lab: Lab, number: signal.Signals) -> None:
    marker = f"31415{number.value}"
    with lab.popen("a", ["sh", "-c", f"echo ready; exec sleep {marker}"], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(timeout=10) == -number

    deadline = time.monotonic() + 10
    while lab.run("a", ["pgrep", "-f", f"sleep {marker}$"]).stdout:
        assert time.monotonic() < deadline, "the program has outlived its command"


def test_a_stopped_program_stops_its_command_and_goes_on_with_it(lab: Lab) -> None:
    code = "echo ready; kill -STOP $$; echo on again"
    with lab.popen("a", ["sh", "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        state, deadline = "", time.monotonic() + 10
        while state != "T":
            state = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
            assert time.monotonic() < deadline, "the command did not stop"
        process.send_signal(signal.SIGCONT)
        assert process.stdout.readline() == b"on again\n"
        assert process.wait(timeout=10) == 0


def test_from_inside_the_lab_another_machine_can_be_entered(lab: Lab) -> None:
    assert lab.run("a", lab.command("b", ["hostname"])).stdout == "b\n"


def test_processes_see_the_lab_only(lab: Lab) -> None:
    with subprocess.Popen(["sleep", "27182"]) as outside:
        seen = lab.run("a", ["ps", "-e", "-o", "pid=,args="]).stdout
        outside.kill()

    assert seen.splitlines()[0].split()[0] == "1"
    assert "toolkit.lab.supervisor" in seen
    assert "27182" not in seen


def test_process_1_reaps_every_orphan(lab: Lab) -> None:
    orphan = lab.run("a", ["sh", "-c", "sleep 0.1 >/dev/null & echo $!"]).stdout.strip()

    deadline = time.monotonic() + 10
    while lab.run("a", ["ps", "-o", "stat=", "-p", orphan]).stdout:
        assert time.monotonic() < deadline, "it stays as a zombie"


def test_a_machine_without_power_answers_nobody_until_it_is_on(lab: Lab) -> None:
    assert lab.status().machines["dark"].power == "off"
    assert not answers(lab, "10.77.0.13")

    lab.power_on("dark")
    assert answers(lab, "10.77.0.13")
    assert answers(lab, "fd77::13")
    lab.power_on("dark")

    lab.power_off("dark")
    assert not answers(lab, "10.77.0.13")
    lab.power_off("dark")
    assert lab.status().machines["dark"].link == "down"


def test_a_pulled_cable_is_put_back(lab: Lab) -> None:
    lab.link("b", up=False)
    assert lab.status().machines["b"].link == "down"
    assert lab.status().machines["b"].power == "on"
    assert not answers(lab, "10.77.0.12")

    lab.link("b", up=True)
    deadline = time.monotonic() + 10
    while not answers(lab, "10.77.0.12"):
        assert time.monotonic() < deadline


def test_a_machine_that_is_not_there_is_named(lab: Lab) -> None:
    with pytest.raises(InputError, match="no machine 'c'"):
        lab.power_on("c")
    with pytest.raises(InputError, match="It has: a, b, dark"):
        lab.run("c", ["true"])


def test_what_was_built_is_written_down(lab: Lab) -> None:
    assert lab.description.supervisor == lab.folder.supervisor()
    assert lab.description.machines["a"].addresses == ("10.77.0.11/24", "fd77::11/64")
    assert lab.folder.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("nonsense", ['{"do": "explode", "machine": "a"}', '{"do": "kill", "machine": [1]}', "[", "{}"])
def test_nonsense_on_the_control_socket_gets_an_error_and_harms_nothing(lab: Lab, nonsense: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        place = os.open(lab.folder.path, os.O_PATH)
        connection.connect(socket_address(place))
        os.close(place)
        connection.sendall(nonsense.encode() + b"\n")
        answer = json.loads(connection.recv(65536))

    assert answer["error"] == "input"
    assert lab.status().machines["a"].power == "on"
