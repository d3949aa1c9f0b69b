"""A lab that does not get ready says which host it is about, why, and what that one wrote last."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.lab.folder import labs
from toolkit.lab.lab import Lab
from toolkit.lab.topology import Topology, read_topology
from toolkit.model.errors import ReboxError, UnreachableError

TOPOLOGY = """
name = "named"

[boxes]

[dns]
zone = "example.net"

[hosts]
a = { number = 11 }
ns = { number = 2, role = "nameserver" }
"""


@pytest.fixture
def named() -> Topology:
    return read_topology(TOPOLOGY, "named.toml")


Spoil = Callable[[str], None]


@pytest.fixture
def spoil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spoil:
    """Runs a line of Python in the supervisor before it begins."""

    def spoiled(line: str) -> None:
        (tmp_path / "sitecustomize.py").write_text(line, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return spoiled


def built(topology: Topology, state: Path) -> ReboxError:
    with pytest.raises(ReboxError) as failed:
        Lab.up(topology, state=state)
    assert labs(state) == []
    return failed.value


def test_a_host_whose_program_ends_is_named_with_its_last_words(named: Topology, state: Path, spoil: Spoil) -> None:
    spoil(
        "from toolkit.lab import nameserver\n"
        "nameserver._COMMON = nameserver._COMMON.replace('pid-file none;', 'pid-file none; no-such-option;')\n"
    )
    begun = time.monotonic()
    error = built(named, state)
    assert isinstance(error, UnreachableError)
    assert error.what == "ns does not come up"
    assert "its program ended with status 1" in error.why
    assert "unknown option 'no-such-option'" in error.why
    assert time.monotonic() - begun < 60, "it was not waited for until the time limit"


def test_a_host_that_never_answers_is_named_with_what_it_was_asked(named: Topology, state: Path, spoil: Spoil) -> None:
    spoil(
        "from toolkit.lab import builder, nameserver\n"
        "builder.HOST_SECONDS = 1.5\n"
        "nameserver._COMMON = nameserver._COMMON.replace('{ipv4};', '')\n"
    )
    error = built(named, state)
    assert (error.what, error.where) == ("ns does not come up", "10.77.0.2 port 53")
    assert error.why.startswith("it did not answer a connection within 1.5 s, at last: Connection refused; the last it")
    assert "running" in error.why


def test_a_build_that_takes_too_long_says_what_is_missing(named: Topology, state: Path, spoil: Spoil) -> None:
    spoil(
        "from toolkit.lab import builder, nameserver\n"
        "builder.BUILD_SECONDS = 1.5\n"
        "nameserver._COMMON = nameserver._COMMON.replace('{ipv4};', '')\n"
    )
    error = built(named, state)
    assert error.what == "the lab could not be built"
    assert error.why == "within 1.5 s there came nothing of: ns"
