"""The half of a swing that waits at the box for the other half."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.appliance.box_process import CLIENT_ID, CLIENT_SECRET, SHARED, BoxProcess, in_use_order
from toolkit.appliances.connection import BoxConnection
from toolkit.appliances.emulated import EmulatedAppliance
from toolkit.model.errors import UnreachableError


@pytest.fixture
def box(tmp_path: Path) -> Iterator[BoxProcess]:
    box = BoxProcess(tmp_path, in_use_order())
    try:
        yield box.power_on()
    finally:
        box.remove()


@pytest.fixture
def driver(box: BoxProcess) -> Iterator[EmulatedAppliance]:
    host, port = box.place()
    connection = BoxConnection(
        "new", host, port, {box.console_fingerprint()}, client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET
    )
    driver = EmulatedAppliance(connection, client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET)
    driver.prepare_swing()
    yield driver
    driver.close()


def enabled(box: BoxProcess) -> bool:
    """As another client sees it."""
    addresses = box.api().get("/api/v1/network").json()["addresses"]
    return next(bool(entry["enabled"]) for entry in addresses if entry["address"] == SHARED)


def test_the_address_comes_only_after_what_must_come_first(box: BoxProcess, driver: EmulatedAppliance) -> None:
    seen: list[bool] = []
    assert driver.set_address_enabled(SHARED, True, after=lambda: seen.append(enabled(box))).enabled
    assert seen == [False]
    assert enabled(box)


def test_when_what_must_come_first_fails_the_box_is_as_it_was_and_still_serves(
    box: BoxProcess, driver: EmulatedAppliance
) -> None:
    def fail() -> None:
        raise UnreachableError("the old box does not answer")

    with pytest.raises(UnreachableError, match="old box"):
        driver.set_address_enabled(SHARED, True, after=fail)
    assert not enabled(box)
    assert driver.set_address_enabled(SHARED, True).enabled


def test_what_must_come_first_is_done_once_when_the_token_has_to_be_fetched_again(driver: EmulatedAppliance) -> None:
    driver._connection._token = "one that the box has forgotten"
    done: list[str] = []
    assert driver.set_address_enabled(SHARED, True, after=lambda: done.append("gave up the address")).enabled
    assert done == ["gave up the address"]


@pytest.mark.parametrize("limits", [(0.2,), (0.2, 30.0)])
def test_a_box_that_takes_the_call_and_stays_silent_is_given_up_in_the_time_that_was_set(
    limits: tuple[float, ...],
) -> None:
    """Without it this test takes half a minute."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        connection = BoxConnection("old", host, port, set(), client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET)
        driver = EmulatedAppliance(connection, client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET)
        started = time.monotonic()
        with driver.within(*limits), pytest.raises(UnreachableError):
            driver.network()
        assert time.monotonic() - started < 15
        connection.close()
