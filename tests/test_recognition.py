"""While a run is unfinished, a box is known by the certificate that run has put there; nobody else is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.step_context import INVENTORIES, NEW_SERIAL, OLD_SERIAL, StubBox, context_of, inventory, world_of
from toolkit.appliances.trust import trust
from toolkit.engine.locks import BoxLocks
from toolkit.model.inventory import Inventory
from toolkit.recognition import recognise

FILE = "inventory.toml"
SITES = "5" * 64
RUN = "20260301-120000-support-example-net-a1b2"


@dataclass
class Unfinished:
    """A run that has written down that the new box is going to show the site's certificate."""

    state: Path
    folder: Path

    @property
    def locks(self) -> BoxLocks:
        return BoxLocks(self.state, lambda: datetime.now(UTC))

    def seen_by(self, wanted: Inventory) -> tuple[list[str], list[str], list[str]]:
        """What who plans with that inventory accepts beside it, on the old box and on the new one, and is told."""
        old, new = StubBox("old", wanted.old.address), StubBox("new", wanted.new.address)
        told = recognise(world_of(self.folder, old=old, new=new, of=wanted), self.state, FILE)
        return old.trusted, new.trusted, [str(one) for one in told]


@pytest.fixture
def run(tmp_path: Path) -> Unfinished:
    run = Unfinished(tmp_path / "state", tmp_path / "runs" / RUN)
    run.folder.mkdir(parents=True)
    (run.folder / FILE).write_bytes((INVENTORIES / "shared-ip.toml").read_bytes())
    trust(context_of(run.folder, world_of(run.folder, new=StubBox("new", ""))), "new", SITES)
    with run.locks.hold([OLD_SERIAL, NEW_SERIAL], RUN, run.folder, "token"):
        pass  # ended here as by a kill: the claims stay
    return run


def test_the_new_box_is_known_by_what_the_run_has_put_there_and_that_is_told(run: Unfinished) -> None:
    old, new, told = run.seen_by(inventory("shared-ip.toml"))
    assert (old, new) == ([], [SITES])
    assert len(told) == 1
    for word in ("new (10.77.0.22)", SITES, RUN):
        assert word in told[0]


def test_what_the_inventory_says_itself_is_not_told(run: Unfinished) -> None:
    assert run.seen_by(inventory("shared-ip.toml", new={"tls_sha256": SITES})) == ([], [], [])


def test_a_box_is_the_same_in_another_role(run: Unfinished) -> None:
    wanted = inventory("shared-ip.toml")
    turned = wanted.model_copy(update={"old": wanted.new, "new": wanted.old})
    assert run.seen_by(turned)[:2] == ([SITES], [])


@pytest.mark.parametrize(
    "other",
    [{"address": "10.77.0.23"}, {"port": 8443}, {"serial_number": "RB-NEW-0003"}, {"serial_number": OLD_SERIAL}],
)
def test_another_box_is_not_known_by_it(run: Unfinished, other: Mapping[str, Any]) -> None:
    assert run.seen_by(inventory("shared-ip.toml", new=other)) == ([], [], [])


def test_once_the_run_has_ended_only_the_inventory_counts(run: Unfinished) -> None:
    with run.locks.hold([OLD_SERIAL, NEW_SERIAL], RUN, run.folder, "token") as lease:
        lease.release_boxes()
    assert run.seen_by(inventory("shared-ip.toml")) == ([], [], [])


@pytest.mark.parametrize("damaged", [FILE, "trusted-certificates.json", "claim"])
@pytest.mark.parametrize("content", [b"", b"{", b'{"new": ["' + b"5" * 63 + b'"]}', b"\xff\xfe", None])
def test_damaged_records_let_nobody_in_and_stop_nobody(run: Unfinished, damaged: str, content: bytes | None) -> None:
    path = run.state / "claims" / f"{NEW_SERIAL}.json" if damaged == "claim" else run.folder / damaged
    if content is None:
        path.unlink()
        path.mkdir()  # a folder cannot be read as a file
    else:
        path.write_bytes(content)
    assert run.seen_by(inventory("shared-ip.toml")) == ([], [], [])
