"""A change that was cut short is gone on with, waited out or taken back; it is never half there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.box_settings.conftest import Site
from tests.step_context import JumpingClock, StubBox
from toolkit.appliances.connection import BoxRefusedError
from toolkit.box_settings.guarded import change_network, take_back_noted
from toolkit.box_settings.steps import CaptureBoxSettings, CarryBoxSettings
from toolkit.model.box import NetworkChange, WantedNetwork
from toolkit.model.errors import ApplianceError, UnreachableError, VerificationError
from toolkit.model.verdict import Verdict
from toolkit.wiring import SystemClock

WANTED = WantedNetwork(hostname="renamed")


class Cut(Exception):  # noqa: N818 (it stands for a kill)
    """The process ends here."""


class CutShort:
    """The driver, until it comes to a call: cut before the box hears it, or after it has done it."""

    def __init__(self, driver: Any, call: str, *, after: bool) -> None:
        self._driver = driver
        self._call = call
        self._after = after

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._driver, name)
        if name != self._call:
            return value

        def cut(*arguments: Any) -> None:
            if self._after:
                value(*arguments)
            raise Cut

        return cut


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", ["begin_network_change", "network_change", "health", "confirm_network_change"])
def test_cut_short_anywhere_it_is_there_once_and_confirmed_the_next_time(site: Site, call: str, after: bool) -> None:
    note, driver = site.folder / "note.json", site.driver("new")
    with pytest.raises(Cut):
        change_network(CutShort(driver, call, after=after), WANTED, 3, SystemClock(), note=note)
    assert note.exists()
    change_network(driver, WANTED, 3, SystemClock(), note=note)
    assert not note.exists()
    assert site.network()["hostname"] == "renamed"
    assert site.audit() == ["begin-network-change", "confirm-network-change"]


def test_what_the_box_has_undone_meanwhile_is_begun_anew(site: Site) -> None:
    note, driver = site.folder / "note.json", site.driver("new")
    with pytest.raises(Cut):
        change_network(CutShort(driver, "confirm_network_change", after=False), WANTED, 1, SystemClock(), note=note)
    while site.audit() != ["begin-network-change", "revert-network-change"]:
        pass
    change_network(driver, WANTED, 60, SystemClock(), note=note)
    assert site.network()["hostname"] == "renamed"
    assert site.audit()[2:] == ["begin-network-change", "confirm-network-change"]


def test_a_change_of_somebody_elses_is_left_alone(site: Site) -> None:
    note, driver = site.folder / "note.json", site.driver("new")
    driver.begin_network_change("0" * 16, WantedNetwork(hostname="other"), 3600)
    with pytest.raises(BoxRefusedError, match="waits to be confirmed"):
        change_network(driver, WANTED, 60, SystemClock(), note=note)
    driver.revert_network_change("0" * 16)
    change_network(driver, WANTED, 60, SystemClock(), note=note)
    assert site.network()["hostname"] == "renamed"


def test_a_step_that_was_cut_short_is_not_done_although_the_box_looks_like_it(site: Site) -> None:
    CaptureBoxSettings().act(site.context())
    hands = CutShort(site.driver("new"), "begin_network_change", after=True)
    with pytest.raises(Cut):
        CarryBoxSettings().act(site.context(hands))
    assert site.network()["dns_servers"] == ["10.78.0.53"]
    assert CarryBoxSettings().look(site.context()) is None, "the box may yet undo it"
    assert CarryBoxSettings().undo(site.context(), None).verdict is Verdict.PASSED
    assert site.network()["dns_servers"] == []
    assert site.audit() == ["begin-network-change", "revert-network-change"]


def test_what_was_begun_is_taken_back_at_once(site: Site) -> None:
    note, driver = site.folder / "note.json", site.driver("new")
    with pytest.raises(Cut):
        change_network(CutShort(driver, "health", after=False), WANTED, 3600, SystemClock(), note=note)
    take_back_noted(driver, note)
    take_back_noted(driver, note)
    assert site.network()["hostname"] != "renamed"
    assert site.audit() == ["begin-network-change", "revert-network-change"]


# boxes that do not come back as they should


def begun(state: str, reason: str | None = None) -> NetworkChange:
    return NetworkChange.model_validate({"id": "7", "state": state, "seconds_left": 0, "reason": reason})


def stub(note: Path, network_change: Callable[[str], NetworkChange], **answers: object) -> None:
    box = StubBox(
        "new",
        "10.77.0.22",
        begin_network_change=lambda number, wanted, seconds: begun("applying"),
        network_change=network_change,
        **answers,
    )
    change_network(box.appliance, WANTED, 60, JumpingClock(), note=note)


def test_a_box_that_was_cut_off_and_is_back_says_why(tmp_path: Path) -> None:
    looks = iter([None] * 5)

    def look(_: str) -> NetworkChange:
        if next(looks, begun("reverted")) is None:
            raise UnreachableError("the box does not answer", why="No route to host")
        return begun("reverted", "nobody confirmed it within 60 s")

    with pytest.raises(VerificationError, match="previous network settings again") as caught:
        stub(tmp_path / "note", look)
    assert caught.value.why == "nobody confirmed it within 60 s; meanwhile: No route to host"
    assert "interface_map" in caught.value.next_move
    assert not (tmp_path / "note").exists()


def test_a_box_that_never_comes_back_is_unreachable_and_not_forgotten(tmp_path: Path) -> None:
    def look(_: str) -> NetworkChange:
        raise UnreachableError("the box does not answer", why="No route to host")

    with pytest.raises(UnreachableError, match="neither with its new network settings nor with its old ones") as caught:
        stub(tmp_path / "note", look)
    assert "console" in caught.value.next_move
    assert (tmp_path / "note").exists()


def test_a_box_that_is_not_well_is_taken_back_and_never_confirmed(tmp_path: Path) -> None:
    taken_back: list[str] = []
    with pytest.raises(ApplianceError, match="not well with its new network settings") as caught:
        stub(
            tmp_path / "note",
            lambda _: begun("unconfirmed"),
            health=(False, "The box is not in service"),
            revert_network_change=taken_back.append,
        )
    assert caught.value.why == "The box is not in service"
    assert taken_back == ["7"]
