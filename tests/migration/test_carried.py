"""A migration whose data travels on a stick that a person moves: what is on it tells, not where it is."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.migration.conftest import SOAK_SECONDS
from tests.migration.rehearsal import Answer, Rehearsal
from toolkit.engine.states import RunState
from toolkit.lab.sticks import SERIAL
from toolkit.lab.topology import Site, Swing, Topology


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    topology = Topology(site=Site(size_mb=1), swing=Swing(soak_seconds=SOAK_SECONDS), carry="media")
    with Rehearsal.up(topology, tmp_path_factory.mktemp("rehearsal")) as rehearsal:
        yield rehearsal


def by_hand(rehearsal: Rehearsal) -> Path:
    """The lab's inventory without whoever moves the stick."""
    text = rehearsal.inventory.read_text(encoding="utf-8")
    path = rehearsal.inventory.with_name("by-hand.toml")
    path.write_text(re.sub(r"(?s)\[carry\.mover\].*?\n(?=\[)", "", text), encoding="utf-8")
    return path


def stopped(rehearsal: Rehearsal, run: str, step: str) -> str:
    """Where it stands still, and what it says is to be done."""
    history = rehearsal.history(run)
    assert (history.state, history.stopped_at) == (RunState.BLOCKED, step), history.stopped_why
    return str(history.stopped_why["summary"])


def test_a_person_moves_the_stick_and_it_is_known_by_what_is_on_it(carried: Rehearsal) -> None:
    run = carried.start(by_hand(carried))

    def resumed(**how: str) -> Answer:
        return carried.carry("resume", run, **how)

    carried.carry("run", run)
    assert f"Plug the stick serial={SERIAL} into" in stopped(carried, run, "plug-stick")

    # killed while the stick is written: what was begun on it is cleared away
    carried.lab.plug_stick("old")
    assert resumed(kill_at="write-stick:acting").killed_at
    assert resumed(kill_at="write-stick:acted").killed_at
    resumed()
    assert "Pull the stick" in stopped(carried, run, "move-stick")

    # another one with the same serial number, where it is to be plugged in
    there, written = carried.lab.folder.sticks("new") / f"{SERIAL}.img", carried.lab.folder.sticks("old")
    with (written / f"{SERIAL}.img").open("rb") as stick:
        empty = bytes(len(stick.read()))
    there.write_bytes(empty)
    resumed()
    stopped(carried, run, "move-stick")
    there.unlink()

    carried.lab.plug_stick("new")
    assert resumed().told["state"] == RunState.PASSED
    assert carried.holds_site_certificate("new")
    folder = carried.runs / run
    for place in ("certificate.pem", "backup/settings/manifest.json"):
        assert (folder / "carried" / place).read_bytes() == (folder / place).read_bytes()
    # signed by the key of the machine that it is run on, and not by one that goes with the lab
    assert (carried.state / "signing.key").exists()
    assert not [*carried.lab.folder.operator.rglob("signing.key")]
    # nothing on it lies open: whoever finds the stick finds what is encrypted
    shutil.rmtree(folder / "carried")
    stick_bytes = there.read_bytes()
    assert b"PRIVATE KEY-----" in stick_bytes
    assert b"BEGIN PRIVATE KEY" not in stick_bytes
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in stick_bytes
