"""Labs come and go, side by side, killed at any moment, as any user; nothing of them is left."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab.traces import traces
from toolkit.lab.folder import LabFolder, labs
from toolkit.lab.lab import Lab, take_down
from toolkit.lab.topology import Topology
from toolkit.model.errors import RefusedError, UnreachableError

STRANGER = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"]

UP = """
import sys
from pathlib import Path
from toolkit.lab.lab import Lab
from toolkit.lab.topology import read_topology
lab = Lab.up(
    read_topology(sys.argv[2], "test.toml"),
    state=Path(sys.argv[1]),
    progress=lambda done, phase: print(phase, flush=True),
)
print("up", flush=True)
"""

STORY = """
import sys
from pathlib import Path
from toolkit.lab.lab import Lab
from toolkit.lab.topology import read_topology
with Lab.up(read_topology(sys.argv[2], "test.toml"), state=Path(sys.argv[1])) as lab:
    print(lab.description.user_namespace)
    print(lab.run("a", ["ping", "-c", "1", "-W", "1", "fd77::12"]).returncode)
    lab.power_on("dark")
    print(lab.run("a", ["ping", "-c", "1", "-W", "1", "10.77.0.13"]).returncode)
    print(lab.run("b", ["sh", "-c", "id -u; touch here; stat -c %u here"], folder=Path(sys.argv[1])).stdout)
"""


BOX_STORY = """
import sys
from pathlib import Path
from toolkit.lab.lab import Lab
from toolkit.lab.topology import read_topology
look = "import httpx, ssl, sys; "
look += "trust = ssl.create_default_context(cafile=sys.argv[1]); "
look += "print(httpx.get('https://support.example.net/check_health', verify=trust).status_code)"
with Lab.up(read_topology(sys.argv[2], "test.toml"), state=Path(sys.argv[1])) as lab:
    ended = lab.run("client2", [sys.executable, "-c", look, str(lab.folder.authorities)])
    print(ended.stdout, ended.stderr)
    lab.power_off("old")
    print(lab.status().machines["old"].power)
"""

SMALL = Path(__file__).parents[2] / "fixtures" / "labs" / "small.toml"


def wait_until_gone(folder: Path) -> None:
    deadline = time.monotonic() + 15
    while found := traces(folder):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def start_up(state: Path, topology: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", UP, str(state), topology], stdout=subprocess.PIPE, text=True)


def test_nothing_is_left_of_a_lab_that_was_taken_down(plain: Topology, state: Path) -> None:
    lab = Lab.up(plain, state=state)
    with lab.popen("a", ["sh", "-c", "echo ready; sleep 1000"], stdout=subprocess.PIPE) as busy:
        assert busy.stdout
        assert busy.stdout.readline() == b"ready\n"
        assert traces(lab.folder.path)

        lab.down()

        assert traces(lab.folder.path) == []
        assert busy.wait(timeout=10) == -signal.SIGKILL
    lab.down()
    assert labs(state) == []


def test_a_lab_that_is_up_is_not_built_twice_and_not_replaced(plain: Topology, state: Path) -> None:
    with Lab.up(plain, state=state) as lab:
        again = Lab.up(plain, state=state)
        assert again.was_up
        assert again.description.supervisor == lab.description.supervisor

        other = plain.model_copy(update={"hosts": {"c": next(iter(plain.hosts.values()))}})
        with pytest.raises(RefusedError, match="with another topology"):
            Lab.up(other, state=state)
        assert lab.run("a", ["true"]).returncode == 0


def test_labs_with_the_same_addresses_live_side_by_side(plain: Topology, state: Path) -> None:
    with ThreadPoolExecutor() as together:
        first, second = together.map(lambda name: Lab.up(plain, name=name, state=state), ("first", "second"))
    with first, second:
        first.link("b", up=False)

        assert first.run("a", ["ping", "-c", "1", "-W", "1", "10.77.0.12"]).returncode != 0
        assert second.run("a", ["ping", "-c", "1", "-W", "1", "10.77.0.12"]).returncode == 0
        assert [lab.name for lab in labs(state)] == ["first", "second"]
    assert labs(state) == []


def test_a_killed_supervisor_takes_everything_with_it_and_the_lab_can_be_built_again(
    plain: Topology, state: Path
) -> None:
    lab = Lab.up(plain, state=state)
    with lab.popen("a", ["sh", "-c", "echo ready; sleep 1000"], stdout=subprocess.PIPE) as busy:
        assert busy.stdout
        assert busy.stdout.readline() == b"ready\n"
        os.kill(lab.description.supervisor, signal.SIGKILL)
        assert busy.wait(timeout=10) == -signal.SIGKILL
    with pytest.raises(UnreachableError, match="not up"):
        lab.status()

    with Lab.up(plain, state=state) as again:
        assert not again.was_up
        assert again.run("a", ["true"]).returncode == 0
    wait_until_gone(lab.folder.path)


@pytest.mark.parametrize("phase", ["laying out files", "plugging in the machines", "starting"])
def test_a_build_killed_midway_ends_by_itself_and_can_be_built_again(plain: Topology, state: Path, phase: str) -> None:
    folder = LabFolder.of("plain", state)
    with start_up(state, _toml(plain)) as build:
        assert build.stdout
        assert phase in iter(lambda: build.stdout.readline().strip(), "up")  # type: ignore[union-attr]
        build.kill()

    deadline = time.monotonic() + 15
    while folder.supervisor() is not None:
        assert time.monotonic() < deadline, "the half-built lab lives on"
        time.sleep(0.02)
    with Lab.up(plain, state=state) as lab:
        assert not lab.was_up
    assert traces(folder.path) == []


def test_an_interrupted_build_leaves_nothing(plain: Topology, state: Path) -> None:
    with start_up(state, _toml(plain)) as build:
        assert build.stdout
        assert build.stdout.readline()
        build.send_signal(signal.SIGINT)
        build.wait(timeout=20)

    wait_until_gone(LabFolder.of("plain", state).path)


def test_a_half_built_lab_can_be_taken_down(plain: Topology, state: Path) -> None:
    with start_up(state, _toml(plain)) as build:
        assert build.stdout
        assert build.stdout.readline()
        build.kill()
    folder = LabFolder.of("plain", state)

    take_down(folder)

    wait_until_gone(folder.path)


def test_a_lab_whose_folder_was_deleted_ends_by_itself(plain: Topology, state: Path) -> None:
    lab = Lab.up(plain, state=state)

    shutil.rmtree(lab.folder.path)

    wait_until_gone(lab.folder.path)


def test_a_stopped_supervisor_can_still_be_taken_down(plain: Topology, state: Path) -> None:
    lab = Lab.up(plain, state=state)
    os.kill(lab.description.supervisor, signal.SIGSTOP)

    lab.down()

    assert traces(lab.folder.path) == []


def test_a_folder_of_somebody_elses_is_not_cleared_away(plain: Topology, state: Path) -> None:
    precious = state / "labs" / "plain" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("years of work")

    with pytest.raises(RefusedError, match="not a lab's"):
        Lab.up(plain, state=state)

    assert precious.read_text() == "years of work"


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("ulimit -n 16", ["could not be built", "Too many open files"]),
        ('mount -t tmpfs -o size=16k,mode=755 none "$STATE"', ["StorageError", "No space left", "Free space"]),
    ],
)
def test_a_build_that_fails_says_why_and_leaves_nothing(
    plain: Topology, state: Path, limit: str, words: list[str]
) -> None:
    script = f'{limit} && "$@"; status=$?; ls -A "$STATE/labs"; exit $status'

    told = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, "sh", sys.executable, "-c", UP, str(state), _toml(plain)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "STATE": str(state)},
    )

    assert told.returncode == 1
    assert all(word in told.stderr for word in words), told.stderr
    assert told.stdout.splitlines()[-1:] != ["plain"], "something is left"
    assert traces(LabFolder.of("plain", state).path) == []


@pytest.fixture
def home(state: Path) -> Path:
    """The home of a stranger who may read this work tree and nothing else; its path is too long for a socket."""
    if subprocess.run([*STRANGER, sys.executable, "-c", "import toolkit"], check=False, cwd="/").returncode != 0:
        pytest.skip("other users may not read this work tree")
    home = state / ("long" * 30)
    home.mkdir()
    os.chown(home, 12345, 12345)
    return home


def as_stranger(home: Path, story: str, topology: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*STRANGER, sys.executable, "-c", story, str(home), topology],
        check=False,
        capture_output=True,
        text=True,
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
    )


@pytest.mark.root
def test_an_ordinary_user_without_any_right_has_the_same_lab(plain: Topology, home: Path) -> None:
    told = as_stranger(home, STORY, _toml(plain))

    assert told.stderr == ""
    assert told.stdout.split() == ["True", "0", "0", "0", "0"]
    assert (home / "here").stat().st_uid == 12345
    assert traces(LabFolder.of("plain", home).path) == []


@pytest.mark.root
def test_an_ordinary_user_has_boxes_and_names_too(home: Path) -> None:
    told = as_stranger(home, BOX_STORY, SMALL.read_text(encoding="utf-8"))

    assert told.stderr == ""
    assert told.stdout.split() == ["200", "off"]
    assert traces(LabFolder.of("small", home).path) == []


@pytest.mark.root
def test_root_without_the_right_to_make_namespaces_makes_a_user_namespace_too(plain: Topology, state: Path) -> None:
    crippled = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]

    told = subprocess.run(
        [*crippled, sys.executable, "-c", STORY, str(state), _toml(plain)], check=False, capture_output=True, text=True
    )

    assert told.stderr == ""
    assert told.stdout.split() == ["True", "0", "0", "0", "0"]
    assert traces(LabFolder.of("plain", state).path) == []


def test_where_namespaces_are_forbidden_it_says_what_to_do(plain: Topology, state: Path) -> None:
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all -- "$@"'

    told = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", forbid, "sh", sys.executable, "-c", UP, str(state), _toml(plain)],
        check=False,
        capture_output=True,
        text=True,
    )

    assert told.returncode != 0
    assert "RefusedError" in told.stderr
    assert "user.max_user_namespaces" in told.stderr
    assert labs(state) == []


def _toml(topology: Topology) -> str:
    hosts = [f'{name} = {{ number = {host.number}, power = "{host.power}" }}' for name, host in topology.hosts.items()]
    return "\n".join((f'name = "{topology.name}"', "[boxes]", "[hosts]", *hosts))
