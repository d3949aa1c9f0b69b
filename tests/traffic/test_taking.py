"""The site's addresses given back to the old box, with whatever box is left: who has them is asked of the link."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.step_context import NEW_SERIAL, context_of, inventory, world_of
from tests.traffic.test_shared_address import FIRST, NETWORK, SECOND, SILENT, SITE, SharingBox
from toolkit.model.box import NetworkAddress
from toolkit.model.errors import ApplianceError, ReboxError, UnreachableError
from toolkit.model.execution import Outcome, Result, StepContext
from toolkit.model.verdict import Verdict
from toolkit.traffic import shared_address, taking
from toolkit.traffic.shared_address import SwingSharedAddress, move

OLD_MAC, NEW_MAC = NETWORK.interfaces[0].mac.lower(), "02:77:00:00:00:99"
Link = Callable[[], tuple[str, ...] | None]


@pytest.fixture(autouse=True)
def proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """What users see is another test's matter."""
    for module in (taking, shared_address):
        monkeypatch.setattr(
            module, "prove_or_announce", lambda context, role: Outcome(Verdict.PASSED, f"{role} serves")
        )
    monkeypatch.setattr(shared_address, "announce_site", lambda context, role: None)


def undo(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    old: SharingBox,
    new: SharingBox,
    link: Link = lambda: (),
    *,
    new_is_off: bool = False,
) -> Outcome:
    monkeypatch.setattr(taking, "owners_of", lambda address, seconds: link())
    monkeypatch.setattr(shared_address, "owners_of", lambda address, seconds: link())
    for stub in (old, new):
        stub._answers["prepare_swing"] = None
    world = world_of(folder, old=old, new=new, of=inventory("shared-ip.toml"), new_is_off=new_is_off)
    macs: dict[str, Result] = {"inspect-old": {"old_macs": [OLD_MAC]}, "prove-new": {"new_macs": [NEW_MAC]}}
    context: StepContext = context_of(folder, world, results=macs, begun=True)
    return SwingSharedAddress().undo(context, None)


def answers(*each: tuple[str, ...] | None) -> Link:
    """The link at one address after the other, each look at both addresses."""
    kept: Iterator[tuple[str, ...] | None] = iter([one for one in each for _ in SITE])
    return lambda: next(kept)


def test_nothing_is_taken_from_anybody_while_the_old_box_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = SharingBox("new", {*SITE})
    outcome = undo(tmp_path, monkeypatch, SharingBox("old", None), new)
    assert outcome.verdict is Verdict.FAILED
    assert "nothing was taken from the new one" in outcome.summary
    assert "rebox back run-1" in outcome.next_move
    assert "rebox abandon run-1" in outcome.next_move
    assert new.changes == []


@pytest.mark.parametrize("had", [set(), {SECOND}])
def test_what_is_nobodys_is_taken_without_the_new_box_and_the_rest_is_left_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, had: set[str]
) -> None:
    old = SharingBox("old", set(had))
    before = (OLD_MAC,) if had else ()
    outcome = undo(tmp_path, monkeypatch, old, SharingBox("new", None), answers(before, (OLD_MAC,)))
    assert outcome.verdict is Verdict.PASSED
    assert old.changes == [f"{address} on" for address in SITE if address not in had]
    assert "keep it off the link" in outcome.to_do
    assert outcome.to_do_on == "new"


@pytest.mark.parametrize(
    ("owners", "words"),
    [((NEW_MAC,), "the new box, though"), ((OLD_MAC, NEW_MAC), NEW_MAC), (("02:00:00:00:00:05",), "a stranger")],
)
@pytest.mark.parametrize("said_to_be_off", [False, True])
def test_what_somebody_else_answers_for_is_never_taken_whatever_is_said_of_a_plug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owners: tuple[str, ...], words: str, said_to_be_off: bool
) -> None:
    old = SharingBox("old", set())
    outcome = undo(tmp_path, monkeypatch, old, SharingBox("new", None), answers(owners), new_is_off=said_to_be_off)
    assert outcome.verdict is Verdict.FAILED
    assert words in outcome.summary
    assert f"rebox back run-1 --new-is-off {NEW_SERIAL}" in outcome.next_move
    assert old.changes == []


def test_behind_a_gateway_somebody_must_have_pulled_the_plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = SharingBox("old", set())
    outcome = undo(tmp_path, monkeypatch, old, SharingBox("new", None), lambda: None)
    assert outcome.verdict is Verdict.UNKNOWN
    assert "--new-is-off" in outcome.next_move
    assert old.changes == []

    outcome = undo(tmp_path, monkeypatch, old, SharingBox("new", None), lambda: None, new_is_off=True)
    assert outcome.verdict is Verdict.PASSED
    assert old.enabled == {*SITE}


def test_a_second_owner_that_shows_up_afterwards_is_named_by_its_mac(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = (OLD_MAC, NEW_MAC)
    outcome = undo(tmp_path, monkeypatch, SharingBox("old", set()), SharingBox("new", None), answers((), both))
    assert outcome.verdict is Verdict.FAILED
    assert f"{FIRST} is at {OLD_MAC} and at {NEW_MAC}" in outcome.summary
    assert "--new-is-off" in outcome.next_move


class Dying(SharingBox):
    """Answers until it is asked to change something."""

    def _set(self, address: str, enabled: bool, *, after: Callable[[], object] | None = None) -> NetworkAddress:
        if enabled == (address in (self.enabled or ())):
            return super()._set(address, enabled)
        if after is not None:
            after()
        self.enabled = None
        self._answers["network"] = SILENT
        raise UnreachableError("it died")


def test_a_new_box_that_dies_half_way_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = SharingBox("old", set())
    outcome = undo(tmp_path, monkeypatch, old, Dying("new", {*SITE}), answers((), (OLD_MAC,)))
    assert outcome.verdict is Verdict.PASSED
    assert old.enabled == {*SITE}


def test_an_old_box_that_dies_half_way_leaves_the_site_with_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = SharingBox("new", {*SITE})
    outcome = undo(tmp_path, monkeypatch, Dying("old", set()), new, lambda: ())
    assert outcome.verdict is Verdict.FAILED
    assert new.enabled == {*SITE}, "what was given up is taken again, since nobody has it"
    assert new.changes[-2:] == [f"{FIRST} off", f"{FIRST} on"]


@pytest.mark.parametrize(("owners", "given_back"), [((), True), ((NEW_MAC,), False), (None, False)])
def test_in_either_direction_a_half_that_fails_leaves_nobody_without_the_site_nor_two_with_it(
    monkeypatch: pytest.MonkeyPatch, owners: tuple[str, ...] | None, given_back: bool
) -> None:
    monkeypatch.setattr(shared_address, "owners_of", lambda address, seconds: owners)

    class Refusing(SharingBox):
        def _set(self, address: str, enabled: bool, *, after: Callable[[], object] | None = None) -> NetworkAddress:
            if after is not None:
                after()
                raise ApplianceError("it will not")
            return self._network().addresses[0]

    old, new = SharingBox("old", {*SITE}), Refusing("new", set())
    for stub in (old, new):
        stub._answers["prepare_swing"] = None
    with pytest.raises(ReboxError, match="it will not"):
        move(SITE, old.appliance, new.appliance, overlap=False)
    assert old.enabled is not None
    assert (FIRST in old.enabled) == given_back
