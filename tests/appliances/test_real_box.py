"""The driver at a real box: real TLS, real files, and what happens when something is not as it should be."""

import hashlib
import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from tests.appliances.conftest import Reach
from tests.appliances.listener import Listener
from tests.emulator.appliance.box_process import (
    CLIENT_ID,
    CLIENT_SECRET,
    OLD_SERIAL_NUMBER,
    SITE,
    BoxProcess,
    in_use_order,
)
from tests.emulator.update_server.authority import Authority
from tests.step_context import JumpingClock
from toolkit.appliances.connection import BoxConnection, BoxRefusedError
from toolkit.appliances.emulated import EmulatedAppliance
from toolkit.emulator.update_server.repository import Offer, make_repository
from toolkit.emulator.update_server.server import serving
from toolkit.model.box import WantedNetwork
from toolkit.model.errors import ApplianceError, AuthenticationError, RefusedError, StorageError, UnreachableError


def quiet(fraction: float, phase: str) -> None:
    """Nobody watches."""


# who it is


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    """A stranger at the box's address."""
    with Listener(*Authority(tmp_path).issue("127.0.0.1")) as listener:
        yield listener


def test_a_stranger_gets_nothing_of_ours(listener: Listener, reach: Reach) -> None:
    driver = reach(place=listener.place, pins={"0" * 64})
    with pytest.raises(AuthenticationError, match="not the box we expect") as caught:
        driver.status()
    assert listener.served_sha256 in caught.value.why
    assert "0" * 64 in caught.value.why
    assert "console" in caught.value.next_move
    assert listener.heard() == b""


def test_whom_we_expect_is_talked_to(listener: Listener, reach: Reach) -> None:
    # without this, the stranger above might have heard nothing for another reason
    driver = reach(place=listener.place, pins={listener.served_sha256})
    with pytest.raises(UnreachableError):
        driver.status()
    assert listener.heard().startswith(b"POST /oauth2/token")


def test_the_fingerprint_on_the_console_lets_us_in(shared_box: BoxProcess, reach: Reach) -> None:
    assert reach(shared_box).status().serial_number == OLD_SERIAL_NUMBER
    assert reach(shared_box).health() == (True, "OK")


def test_a_box_that_is_off_is_unreachable(shared_box: BoxProcess, reach: Reach) -> None:
    with Listener.closed() as place, pytest.raises(UnreachableError, match="Connection refused") as caught:
        reach(place=place, pins={"0" * 64}).status()
    assert str(place[1]) in caught.value.where
    assert "Errno" not in str(caught.value)


# accounts


def _forget_tokens(box: BoxProcess, expired: str = "UPDATE tokens SET expires = 0") -> None:
    with closing(box.database()) as database:
        database.execute(expired)


def test_a_token_that_ends_in_the_middle_is_fetched_anew(shared_box: BoxProcess, reach: Reach, tmp_path: Path) -> None:
    driver = reach(shared_box)
    lsid = next(str(one["lsid"]) for one in driver.sessions(0, 100).sessions if one["recording"])
    _forget_tokens(shared_box)
    assert driver.status().state == "running"
    _forget_tokens(shared_box)
    assert sum(map(len, driver.recording(lsid, 0))) > 0
    _forget_tokens(shared_box)
    driver.download_backup(tmp_path / "backup", "open sesame", quiet)
    assert (tmp_path / "backup").stat().st_size > 0
    _forget_tokens(shared_box)
    driver.restore_backup(tmp_path / "backup", "open sesame", quiet)


def test_an_upload_that_cannot_be_repeated_is_refused_once_and_then_goes_on(
    shared_box: BoxProcess, reach: Reach
) -> None:
    driver = reach(shared_box)
    lsid = next(str(one["lsid"]) for one in driver.sessions(0, 100).sessions if one["recording"])
    film = b"".join(driver.recording(lsid, 0))
    _forget_tokens(shared_box)
    with pytest.raises(AuthenticationError, match="expired"):
        driver.import_recording(lsid, iter([film]), len(film), hashlib.sha256(film).hexdigest())
    again = driver.import_recording(lsid, iter([film]), len(film), hashlib.sha256(film).hexdigest())
    assert (again.imported, again.already) == (0, 1)


def test_a_token_is_not_used_to_its_last_second(shared_box: BoxProcess, reach: Reach) -> None:
    now = [0.0]
    driver = reach(shared_box, monotonic=lambda: now[0])
    driver.status()
    first = driver._connection._token
    now[0] = 3000.0
    driver.status()
    assert driver._connection._token == first
    now[0] = 3300.0
    driver.status()
    assert driver._connection._token != first


def test_a_wrong_secret_is_refused_and_locks_the_account_after_five_times(box: BoxProcess, reach: Reach) -> None:
    wrong = reach(box, secret="not the secret of this box")
    for _ in range(5):
        with pytest.raises(AuthenticationError, match="refuses our API account") as caught:
            wrong.status()
        assert "not the secret of this box" not in str(caught.value)
    waited: list[float] = []
    with pytest.raises(BoxRefusedError, match="Wait half a minute") as locked:
        reach(box, sleep=waited.append).status()
    assert (locked.value.box_code, locked.value.status) == ("locked_out", 429)
    assert [0 < seconds <= 30 for seconds in waited] == [True]


def test_a_connection_that_may_only_look_changes_nothing(shared_box: BoxProcess, reach: Reach) -> None:
    driver = reach(shared_box, read_only=True)
    before = shared_box.api().get("/api/v1/audit").json()
    with pytest.raises(RefusedError, match=r"PATCH .* would change the box"):
        driver.set_address_enabled("10.77.0.10", True)
    with pytest.raises(RefusedError):
        driver.delete_certificate(1)
    with pytest.raises(RefusedError):
        driver.reset(OLD_SERIAL_NUMBER, quiet)
    assert driver.status().state == "running"
    assert shared_box.api().get("/api/v1/audit").json() == before


# files


def test_a_backup_is_private_and_never_written_over_another(
    shared_box: BoxProcess, reach: Reach, tmp_path: Path
) -> None:
    target = tmp_path / "backup"
    driver = reach(shared_box)
    driver.download_backup(target, "open sesame", quiet)
    assert target.stat().st_mode & 0o777 == 0o600
    content = target.read_bytes()
    with pytest.raises(StorageError, match="cannot be written"):
        driver.download_backup(target, "another", quiet)
    assert target.read_bytes() == content
    with pytest.raises(BoxRefusedError, match="Check the passphrase's reference"):
        driver.restore_backup(target, "another", quiet)
    assert driver.restore_backup(target, "open sesame", quiet) == driver.status().records


def test_a_large_recording_goes_on_where_it_broke_off(tmp_path: Path, reach: Reach) -> None:
    box = BoxProcess(tmp_path, in_use_order(size_mb=24))
    try:
        driver = reach(box.power_on())
        recordings = {
            str(one["lsid"]): cast(dict[str, Any], one["recording"])
            for one in driver.sessions(0, 1000).sessions
            if one["recording"]
        }
        lsid, recording = max(recordings.items(), key=lambda item: int(item[1]["size_bytes"]))

        pieces = cast(Generator[bytes, None, None], driver.recording(lsid, 0))
        begun = next(pieces)
        assert len(begun) < recording["size_bytes"], "it comes in pieces"
        pieces.close()
        box.kill()
        with pytest.raises(UnreachableError):
            list(driver.recording(lsid, len(begun)))

        rest = reach(box.power_on()).recording(lsid, len(begun))
        assert hashlib.sha256(begun + b"".join(rest)).hexdigest() == recording["sha256"]
    finally:
        box.remove()


# what no backup holds


def test_a_change_is_confirmed_over_a_connection_of_its_own(box: BoxProcess, reach: Reach) -> None:
    driver = reach(box)
    driver.network()
    change = driver.begin_network_change("0" * 16, WantedNetwork(hostname="renamed"), 600)
    while driver.network_change(change.id).state == "applying":
        pass
    # anybody else's connection from before the change would be refused; the driver dials anew
    assert driver.confirm_network_change(change.id).state == "confirmed"
    assert driver.confirm_network_change(change.id).state == "confirmed"
    assert driver.network().hostname == "renamed"


def test_a_change_that_was_not_confirmed_is_told_with_the_reason(box: BoxProcess, reach: Reach) -> None:
    driver = reach(box)
    change = driver.begin_network_change("0" * 16, WantedNetwork(hostname="renamed"), 600)
    with pytest.raises(BoxRefusedError, match="wait until the box does") as pending:
        driver.begin_network_change("1" * 16, WantedNetwork(hostname="other"), 600)
    assert pending.value.box_code == "change_pending"
    box.kill()
    again = reach(box.power_on())
    assert again.network_change(change.id).state == "reverted"
    with pytest.raises(BoxRefusedError, match="switched on before the change was confirmed"):
        again.confirm_network_change(change.id)
    assert again.network().hostname == SITE


# updates


@pytest.fixture
def updated_box(tmp_path: Path) -> Iterator[BoxProcess]:
    """A box in use that has an update server to ask."""
    authority = Authority(tmp_path)
    repository = make_repository(tmp_path / "updates", "https://127.0.0.1", offer=Offer(SITE), package_bytes=200_000)
    with serving(repository, *authority.issue("127.0.0.1")) as port:
        order = in_use_order(
            site_version="Bomgar-12.1.6",
            update_server=f"https://127.0.0.1:{port}",
            tuf_root=repository.root_file.read_bytes(),
            ca=authority.ca_file.read_bytes(),
        )
        box = BoxProcess(tmp_path, order)
        try:
            yield box.power_on()
        finally:
            box.remove()


def test_packages_are_offered_signed_and_installed(updated_box: BoxProcess, reach: Reach) -> None:
    driver = reach(updated_box)
    offered = {entry.id: entry for entry in driver.check_for_updates()}
    assert not offered["Bomgar-12.2.0"].installable
    with pytest.raises(BoxRefusedError, match="Install what it requires first"):
        driver.install_update("Bomgar-12.2.0", quiet)
    phases: list[tuple[float, str]] = []
    driver.install_update("Base-3.3.3", lambda fraction, phase: phases.append((fraction, phase)))
    assert phases[-1] == (1.0, "complete")
    assert driver.status().base_version == "3.3.3"

    text = driver.eula("Bomgar-12.2.0")
    with pytest.raises(BoxRefusedError) as unread:
        driver.accept_eula("Bomgar-12.2.0", text + " and more", "A. Tester")
    assert unread.value.box_code == "eula_changed"
    with pytest.raises(BoxRefusedError, match="eula_accepted"):
        driver.install_update("Bomgar-12.2.0", quiet)
    driver.accept_eula("Bomgar-12.2.0", text, "A. Tester")
    updated_box.plant("install-fails")
    with pytest.raises(ApplianceError, match="The installation broke off"):
        driver.install_update("Bomgar-12.2.0", quiet)
    updated_box.plant()
    driver.install_update("Bomgar-12.2.0", quiet)
    driver.install_update("Bomgar-12.2.0", quiet)
    assert driver.status().site_version == "Bomgar-12.2.0"


@dataclass
class RestartingWire(httpx.BaseTransport):
    """Cuts the connection off before the first answer to one path comes, and refuses so many requests after that.

    That is what a box's restart of its services looks like from here; the box itself is real and does what it is asked.
    """

    path: str
    refuses: float
    inner: httpx.BaseTransport | None = None
    seen: list[str] = field(default_factory=list)

    def wrap(self, inner: httpx.BaseTransport) -> httpx.BaseTransport:
        self.inner = inner
        return self

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert self.inner
        cut = self.path in self.seen
        self.seen.append(request.url.path)
        if cut and self.refuses > 0:
            self.refuses -= 1
            raise httpx.ConnectError("[Errno 111] Connection refused")
        response = self.inner.handle_request(request)
        if request.url.path == self.path and not cut:
            response.close()
            raise httpx.ReadError("[Errno 104] Connection reset by peer")
        return response

    def close(self) -> None:
        if self.inner:
            self.inner.close()


@pytest.mark.parametrize("call", ["check", "Base-3.3.3/install"])
def test_what_a_restart_of_the_box_cuts_off_is_asked_again(updated_box: BoxProcess, reach: Reach, call: str) -> None:
    # a job that was begun before downloads while the box still takes calls, and its end cuts them off
    wire = RestartingWire(f"/api/v1/updates/{call}", refuses=3)
    driver = reach(updated_box, wrap_transport=wire.wrap)
    assert {entry.id for entry in driver.check_for_updates()} >= {"Base-3.3.3", "Bomgar-12.2.0"}
    driver.install_update("Base-3.3.3", quiet)
    assert wire.refuses == 0
    assert wire.seen.count("/check_health") >= 3
    assert driver.status().base_version == "3.3.3"
    actions = [entry["action"] for entry in updated_box.api().get("/api/v1/audit").json()]
    assert actions.count("install-update") == 1


def test_a_box_that_stays_away_is_told_after_two_minutes(updated_box: BoxProcess) -> None:
    clock = JumpingClock()
    wire = RestartingWire("/api/v1/updates/check", refuses=math.inf)
    host, port = updated_box.place()
    pins = {updated_box.console_fingerprint()}
    connection = BoxConnection(
        "new", host, port, pins, client_id=CLIENT_ID, client_secret=lambda: CLIENT_SECRET, wrap_transport=wire.wrap
    )
    driver = EmulatedAppliance(
        connection,
        client_id=CLIENT_ID,
        client_secret=lambda: CLIENT_SECRET,
        sleep=clock.sleep,
        monotonic=clock.monotonic,
    )
    with pytest.raises(UnreachableError, match="does not answer: Connection reset by peer"):
        driver.check_for_updates()
    assert clock.slept == pytest.approx(120, abs=1)
    driver.close()


# the end


def test_after_a_reset_the_next_certificate_is_trusted_and_our_account_is_gone(box: BoxProcess, reach: Reach) -> None:
    driver = reach(box)
    with pytest.raises(BoxRefusedError) as other:
        driver.reset("OLD-0002", quiet)
    assert other.value.box_code == "serial_number"
    assert driver.status().state == "running"

    before, announced = box.served(), driver.reset_status().next_tls_sha256
    assert driver.reset(OLD_SERIAL_NUMBER, quiet).state == "complete"
    assert box.served() == announced != before
    assert not driver.can_sign_in()

    driver.shut_down()
    assert box.wait_off() == 0
    with pytest.raises(UnreachableError):
        driver.reset_status()


def test_a_box_in_use_is_shut_down(box: BoxProcess, reach: Reach) -> None:
    reach(box).shut_down()
    assert box.wait_off() == 0


def test_a_second_certificate_can_be_trusted(shared_box: BoxProcess, reach: Reach) -> None:
    driver = reach(shared_box, pins={"0" * 64})
    with pytest.raises(AuthenticationError):
        driver.health()
    driver.trust(shared_box.console_fingerprint())
    assert driver.health() == (True, "OK")
