"""A swing by shared address that was cut short: what is left is done at once, without a silent old box, or given up."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.appliances.recorded import answered
from tests.step_context import StubBox, context_of, inventory, world_of
from toolkit.model.box import NetworkAddress, NetworkSettings
from toolkit.model.errors import InputError, ReboxError, UnknownStateError, UnreachableError
from toolkit.model.execution import StepContext
from toolkit.traffic import shared_address
from toolkit.traffic.shared_address import SwingSharedAddress

NETWORK = NetworkSettings.model_validate(answered("network"))
SITE = inventory("shared-ip.toml").site.addresses
FIRST, SECOND = SITE
SILENT = UnreachableError("silent")


class SharingBox(StubBox):
    """A box with the site's addresses; notes each change."""

    def __init__(self, name: str, enabled: set[str] | None) -> None:
        self.enabled = enabled
        self.changes: list[str] = []
        super().__init__(
            name,
            {"old": "10.77.0.21", "new": "10.77.0.22"}[name],
            within=lambda *_: nullcontext(),
            network=self._network if enabled is not None else SILENT,
            set_address_enabled=self._set,
        )

    def _network(self) -> NetworkSettings:
        entries = tuple(
            NetworkAddress(id=n, address=text, prefix=24, interface="eth0", shared=True, enabled=text in self.enabled)
            for n, text in enumerate(SITE)
            if self.enabled is not None
        )
        return NETWORK.model_copy(update={"addresses": entries})

    def _set(self, address: str, enabled: bool, *, after: Callable[[], object] | None = None) -> NetworkAddress:
        if after is not None:
            after()
        assert self.enabled is not None
        self.changes.append(f"{address} {'on' if enabled else 'off'}")
        (self.enabled.add if enabled else self.enabled.discard)(address)
        return self._network().addresses[0]


def swing(folder: Path, old: SharingBox, new: SharingBox) -> StepContext:
    world = world_of(folder, old=old, new=new, of=inventory("shared-ip.toml"))
    return context_of(folder, world, begun=True)


def link(monkeypatch: pytest.MonkeyPatch, *macs: str, hidden: bool = False) -> None:
    def find_owners(address: str, *, wait_s: float) -> object:
        if hidden:
            raise InputError("behind a gateway")
        return SimpleNamespace(owners=[SimpleNamespace(mac=mac) for mac in macs])

    monkeypatch.setattr(shared_address, "find_owners", find_owners)


@pytest.mark.parametrize(
    ("old", "new", "half_done"),
    [
        ({FIRST, SECOND}, set(), False),
        ({SECOND}, set(), True),
        (set(), set(), True),
        ({SECOND}, {FIRST}, True),
        ({FIRST, SECOND}, {FIRST}, True),
        (set(), {FIRST, SECOND}, True),
        (None, set(), True),
        ({FIRST, SECOND}, None, True),
        (None, None, True),
    ],
)
def test_it_is_half_done_once_an_address_has_left_or_come_or_a_box_cannot_tell(
    tmp_path: Path, old: set[str] | None, new: set[str] | None, half_done: bool
) -> None:
    context = swing(tmp_path, SharingBox("old", old), SharingBox("new", new))
    assert SwingSharedAddress().half_done(context) is half_done


def test_only_what_is_left_is_done_and_each_box_is_asked_once(tmp_path: Path) -> None:
    old, new = SharingBox("old", {SECOND}), SharingBox("new", set())
    SwingSharedAddress().act(swing(tmp_path, old, new))
    assert (old.enabled, new.enabled) == (set(), {*SITE})
    assert old.changes == [f"{SECOND} off"]
    assert new.changes == [f"{FIRST} on", f"{SECOND} on"]
    assert old.asked.count("network") == new.asked.count("network") == 1


def test_what_had_been_done_to_the_end_is_not_done_again(tmp_path: Path) -> None:
    old, new = SharingBox("old", set()), SharingBox("new", {*SITE})
    SwingSharedAddress().act(swing(tmp_path, old, new))
    assert old.changes == new.changes == []


def test_an_old_box_that_died_keeps_nobody_waiting_when_the_link_shows_that_nobody_has_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(monkeypatch)
    new = SharingBox("new", set())
    SwingSharedAddress().act(swing(tmp_path, SharingBox("old", None), new))
    assert new.enabled == {*SITE}


@pytest.mark.parametrize(("macs", "hidden", "words"), [(("02:00:00:00:00:21",), False, "02:"), ((), True, "gateway")])
def test_an_address_that_may_still_be_the_silent_old_boxs_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, macs: tuple[str, ...], hidden: bool, words: str
) -> None:
    link(monkeypatch, *macs, hidden=hidden)
    new = SharingBox("new", set())
    with pytest.raises(UnknownStateError) as refused:
        SwingSharedAddress().act(swing(tmp_path, SharingBox("old", None), new))
    assert new.changes == []
    assert words in refused.value.why
    assert "Switch the old box off" in refused.value.next_move
    assert "rebox resume run-1" in refused.value.next_move


def test_a_new_box_that_died_sends_back_at_once_and_the_old_one_is_left_as_it_is(tmp_path: Path) -> None:
    old = SharingBox("old", {SECOND})
    with pytest.raises(ReboxError) as refused:
        SwingSharedAddress().act(swing(tmp_path, old, SharingBox("new", None)))
    assert "rebox back run-1" in refused.value.next_move
    assert old.changes == []
