"""First boot, passwords, tokens, web sessions and lockout."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.appliance.box_process import (
    ADMIN_PASSWORD,
    CLIENT_ID,
    CLIENT_SECRET,
    factory_order,
    in_use_order,
)
from tests.emulator.appliance.quiet_box import QuietBox, quiet_box
from toolkit.emulator.appliance.accounts import Accounts
from toolkit.emulator.appliance.lockout import Lockout
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.emulator.appliance.states import BoxState

PEER, OTHER_PEER = "10.77.0.1", "10.77.0.2"


@pytest.fixture
def new(tmp_path: Path) -> Iterator[QuietBox]:
    with quiet_box(tmp_path / "new", factory_order()) as box:
        yield box


@pytest.fixture
def old(tmp_path: Path) -> Iterator[QuietBox]:
    with quiet_box(tmp_path / "old", in_use_order()) as box:
        yield box


def test_first_boot_knows_the_factory_account_and_lets_it_do_one_thing(new: QuietBox) -> None:
    with pytest.raises(Refusal) as refused:
        new.accounts.check_admin("admin", "password", PEER)
    assert refused.value.code == "password_change_required"
    new.accounts.set_up_password("admin", "password", ADMIN_PASSWORD, PEER)
    assert new.condition.state is BoxState.RUNNING
    assert new.accounts.check_admin("admin", ADMIN_PASSWORD, PEER) == "appliance:admin"


@pytest.mark.parametrize("weak", ["", "short", "password", "eleven char"])
def test_a_weak_password_is_refused(new: QuietBox, weak: str) -> None:
    with pytest.raises(Refusal) as refused:
        new.accounts.set_up_password("admin", "password", weak, PEER)
    assert (refused.value.status, refused.value.code) == (422, "weak_password")
    assert new.condition.state is BoxState.FIRST_BOOT


def test_the_factory_password_is_changed_once(old: QuietBox) -> None:
    with pytest.raises(Refusal) as refused:
        old.accounts.set_up_password("admin", ADMIN_PASSWORD, "another long password", PEER)
    assert (refused.value.status, refused.value.code) == (409, "already_set_up")


def test_an_api_account_is_made_and_replaced_and_its_old_tokens_end(old: QuietBox) -> None:
    token, seconds = old.accounts.issue_token(CLIENT_ID, CLIENT_SECRET, PEER)
    assert seconds == 3600
    assert old.accounts.check_token(token) == f"api:{CLIENT_ID}"
    assert old.accounts.put_api_account("me", "another", "x" * 24) is True
    assert old.accounts.put_api_account("me", CLIENT_ID, "y" * 24) is False
    for gone in (
        lambda: old.accounts.check_token(token),
        lambda: old.accounts.issue_token(CLIENT_ID, CLIENT_SECRET, PEER),
    ):
        with pytest.raises(Refusal) as refused:
            gone()
        assert refused.value.status == 401


def test_a_short_client_secret_is_refused(old: QuietBox) -> None:
    with pytest.raises(Refusal) as refused:
        old.accounts.put_api_account("me", "another", "x" * 23)
    assert refused.value.code == "weak_secret"


def test_a_token_lasts_an_hour(old: QuietBox) -> None:
    now = [1_000_000.0]
    accounts = Accounts(old._database, old._audit, taken_into_use=lambda: None, now=lambda: now[0])
    token, _ = accounts.issue_token(CLIENT_ID, CLIENT_SECRET, PEER)
    now[0] += 3599
    assert accounts.check_token(token)
    now[0] += 2
    with pytest.raises(Refusal) as refused:
        accounts.check_token(token)
    assert refused.value.code == "access_denied"


def test_no_secret_lies_readable_on_the_disk(old: QuietBox) -> None:
    token, _ = old.accounts.issue_token(CLIENT_ID, CLIENT_SECRET, PEER)
    old.accounts.put_api_account("me", "another", "a secret nobody may read")
    cookie, _ = old.accounts.log_in("appliance", "admin", ADMIN_PASSWORD, PEER)
    content = b"".join(path.read_bytes() for path in old.disk.root.glob("*") if path.is_file())
    for secret in (token, cookie, CLIENT_SECRET, ADMIN_PASSWORD, "a secret nobody may read"):
        assert secret.encode() not in content


def test_five_failures_lock_that_account_for_that_address_only(old: QuietBox) -> None:
    for _ in range(5):
        with pytest.raises(Refusal) as refused:
            old.accounts.issue_token(CLIENT_ID, "wrong", PEER)
        assert refused.value.code == "invalid_client"
    with pytest.raises(Refusal) as refused:
        old.accounts.issue_token(CLIENT_ID, CLIENT_SECRET, PEER)
    assert (refused.value.status, refused.value.code) == (429, "locked_out")
    assert 0 < (refused.value.retry_after_seconds or 0) <= 31
    assert old.accounts.issue_token(CLIENT_ID, CLIENT_SECRET, OTHER_PEER)
    assert old.accounts.check_admin("admin", ADMIN_PASSWORD, PEER)


def test_a_lock_opens_after_thirty_seconds() -> None:
    now = [0.0]
    lockout = Lockout(lambda: now[0])
    for _ in range(5):
        lockout.failed("api:x", PEER)
    now[0] = 29.9
    with pytest.raises(Refusal):
        lockout.check("api:x", PEER)
    now[0] = 30.1
    lockout.check("api:x", PEER)


def test_failures_more_than_a_minute_apart_do_not_add_up() -> None:
    now = [0.0]
    lockout = Lockout(lambda: now[0])
    for _ in range(8):
        lockout.failed("api:x", PEER)
        now[0] += 16
    lockout.check("api:x", PEER)


def test_success_clears_the_count() -> None:
    lockout = Lockout(lambda: 0.0)
    for _ in range(3):
        for _ in range(4):
            lockout.failed("api:x", PEER)
        lockout.succeeded("api:x", PEER)
    lockout.check("api:x", PEER)


def test_a_flood_of_names_does_not_fill_the_memory() -> None:
    now = [0.0]
    lockout = Lockout(lambda: now[0])
    for number in range(25_000):
        now[0] += 1
        lockout.failed(f"api:{number}", PEER)
    assert len(lockout._failures) < 11_000


def test_a_web_session_belongs_to_one_interface_and_ends_when_idle(old: QuietBox) -> None:
    now = [1_000_000.0]
    accounts = Accounts(old._database, old._audit, taken_into_use=lambda: None, now=lambda: now[0])
    cookie, session = accounts.log_in("login", "admin", ADMIN_PASSWORD, PEER)
    assert not session.must_change_password
    assert accounts.web_session("login", cookie) == session
    assert accounts.web_session("appliance", cookie) is None
    now[0] += 1700
    assert accounts.web_session("login", cookie) == session, "used again within the half hour"
    now[0] += 1801
    assert accounts.web_session("login", cookie) is None


def test_a_new_password_ends_the_other_sessions(old: QuietBox) -> None:
    here, session = old.accounts.log_in("appliance", "admin", ADMIN_PASSWORD, PEER)
    there, _ = old.accounts.log_in("appliance", "admin", ADMIN_PASSWORD, OTHER_PEER)
    old.accounts.change_password(here, session, ADMIN_PASSWORD, "another long password", PEER)
    assert old.accounts.web_session("appliance", here) == session
    assert old.accounts.web_session("appliance", there) is None
    old.accounts.log_out(here)
    assert old.accounts.web_session("appliance", here) is None


def test_the_first_site_package_brings_the_guides_first_credentials(new: QuietBox) -> None:
    new.accounts.set_up_password("admin", "password", ADMIN_PASSWORD, PEER)
    new.versions.set_site("Bomgar-12.2.0", hostname="support.example.net", licences=25, licence_expiry="2027-12-31")
    cookie, session = new.accounts.log_in("login", "admin", "password", PEER)
    assert session.must_change_password
    new.accounts.change_password(cookie, session, "password", "a new site password", PEER)
    again = new.accounts.web_session("login", cookie)
    assert again is not None
    assert not again.must_change_password
    new.versions.set_site("Bomgar-12.2.1", hostname="support.example.net", licences=25, licence_expiry="2027-12-31")
    assert not new.accounts.log_in("login", "admin", "a new site password", PEER)[1].must_change_password
