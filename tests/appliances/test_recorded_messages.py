"""The driver sends what was recorded, and reads what was answered: the contract that box and toolkit share."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.appliances.recorded import FIXTURES, SILENCE, Replay, answered, message
from toolkit.appliances.connection import BoxRefusedError
from toolkit.appliances.emulated import EmulatedAppliance
from toolkit.model.box import NetworkRoute, OwnAddress, TlsSettings, WantedNetwork
from toolkit.model.errors import ApplianceError, AuthenticationError, RefusedError, VerificationError

SHARED, NEW = "10.77.0.10", "10.77.0.99"
NUMBER = "0123456789abcdef"
CHANGE = WantedNetwork(
    routes=(NetworkRoute(destination="10.200.0.0/16", gateway="10.77.0.1"),),
    addresses=(OwnAddress(address="10.77.0.11", prefix=24, interface="eth0"),),
)
SESSION, FILM = "f" * 32, b"film"
SHA256 = hashlib.sha256(FILM).hexdigest()
RECORDED_LSID = "aa63403be66f8f16c9ba6228a7f28488"

NOT_OURS = {
    "token-wrong-secret": "we send the secret as HTTP Basic",
    "token-in-form": "the same",
    "token-other-grant": "we ask for no other grant",
    "token-new-box": "the same as token",
    "status-without-token": "we ask for nothing without one",
    "clock": "clocks are set by hand",
    "audit": "the audit is read by people",
    "network-change": "we change network settings so that the box puts them back unless we confirm",
    "network-change-not-found": "changes we ask for are our own",
    "unknown-path": "a mistake of the caller's",
    "wrong-method": "a mistake of the caller's",
    "unknown-field": "a mistake of the caller's",
    "missing-field": "a mistake of the caller's",
    "not-json": "a mistake of the caller's",
    "too-large": "a mistake of the caller's",
    "certificate-import-passphrase-required": "we ask for the passphrase before",
    "restore-passphrase-required": "the same",
    "backup-no-site": "recorded without a passphrase, which our backups always have",
    "setup-wrong-password": "we know the factory's",
    "api-account-before-setup": "we change the password first",
    "api-account-wrong-password": "its password is no new one",
    "address-not-found": "we look the number up first",
    "job-not-found": "jobs we ask for are our own",
    "updates": "we check anew",
    "status-after-reset": "we ask a reset box for its reset only",
    "address-delete": "the same as address-not-found",
    "token-revoke": "our tokens end by themselves",
    **dict.fromkeys(
        ("user-add", "user-add-again", "user-add-no-site", "user-add-weak-password", "user-disable", "user-enable"),
        "users come and go with the backup",
    ),
    **dict.fromkeys(("user-disable-last-administrator", "user-not-found"), "the same"),
    **dict.fromkeys(
        (
            *("password-before-setup", "password-appliance", "password-weak-appliance", "password-wrong-appliance"),
            *("password-login", "password-weak-login", "password-wrong-login"),
        ),
        "passwords are changed by those who have them",
    ),
    **dict.fromkeys(
        (
            *("active-sessions", "active-session-begin", "active-session-end", "active-session-nobody"),
            *("active-session-no-site", "active-session-not-found"),
        ),
        "support sessions are counted, in the status, and left alone",
    ),
}
"""Recorded calls that the driver never makes."""


def quiet(fraction: float, phase: str) -> None:
    """Nobody watches."""


def test_every_recorded_message_is_replayed_here_or_is_none_of_ours() -> None:
    story = Path(__file__).read_text(encoding="utf-8")
    recorded = {path.stem for path in FIXTURES.glob("*.json")}
    assert NOT_OURS.keys() <= recorded
    assert {name for name in recorded - NOT_OURS.keys() if f'"{name}"' not in story} == set()


# who and how


def test_status_and_health() -> None:
    names = ("status", "status-with-a-session", "health", "health-resetting", "status-without-site")
    with Replay("token", *names) as box:
        status = box.status()
        assert (status.active_sessions, box.status().active_sessions) == (0, 1)
        assert (status.serial_number, status.base_version, status.state) == ("OLD-0001", "3.3.2", "running")
        assert status.records.model_dump() == answered("status")["records"]
        assert status.capabilities == {"import-sessions", "import-recordings"}
        assert box.health() == (True, "OK")
        assert box.health() == (False, "The box is not in service: resetting.")
        assert box.status().site_version is None


# first contact


def test_a_factory_box_is_taken_into_use_once() -> None:
    with Replay("setup-password", "api-account-made") as box:
        assert box.take_into_use()
    with Replay("setup-password-again", "api-account-made") as box:
        assert box.take_into_use()
    with Replay("setup-password-again", "api-account-replaced") as box:
        assert not box.take_into_use()


def test_whether_our_account_works() -> None:
    with Replay("token") as box:
        assert box.can_sign_in()
    with Replay("token-failure", secret="wrong") as box:
        assert not box.can_sign_in()


# network


def test_addresses_are_defined_ticked_cleared_and_removed() -> None:
    with Replay.of("network", "address-add") as box:
        added = box.define_address(NEW, 24, "eth0")
        assert (added.id, added.enabled, added.shared) == (3, False, True)
    with Replay.of("network") as box:
        assert box.define_address(SHARED, 24, "eth0").id == 2
    with Replay.of("network") as box:
        box.remove_address(NEW)


def test_an_address_is_ticked_and_cleared_by_its_number() -> None:
    # recorded when the box had the address; what it said of its network then is on no record
    box_then = Replay.of("address-enable", "address-disable")
    with box_then as box:
        box._address_ids[NEW] = 3
        assert box.set_address_enabled(NEW, True).enabled
        assert not box.set_address_enabled(NEW, False).enabled


def test_an_address_that_is_not_defined_is_no_ones_to_enable() -> None:
    with Replay.of("network") as box, pytest.raises(ApplianceError, match="is not defined on the box"):
        box.set_address_enabled(NEW, True)


# certificates


def test_certificates_are_listed_exported_imported_assigned_and_deleted() -> None:
    with Replay.of(
        "certificates",
        "certificates-factory",
        "certificate-export",
        "certificate-import",
        "certificate-import-again",
        "certificate-assign",
        "certificate-unassign",
        "certificate-delete",
    ) as box:
        assert [entry.id for entry in box.certificates()] == [1, 2]
        assert [entry.chain_length for entry in box.certificates()] == [1]
        assert box.export_certificate(2, "x").decode() == answered("certificate-export")
        imported = box.import_certificate(b"chain and key", "x")
        assert (imported.id, imported.chain_length) == (2, 2)
        assert box.import_certificate(b"chain and key", "x") == imported
        assert box.assign_certificate(2, [SHARED]).addresses == (SHARED,)
        assert box.assign_certificate(2, []).addresses == ()
        box.delete_certificate(2)


# settings and records


def test_a_backup_is_written_private_and_never_over_another(tmp_path: Path) -> None:
    target = tmp_path / "backup"
    with Replay.of("backup") as box:
        box.download_backup(target, "open sesame", quiet)
    assert target.stat().st_mode & 0o777 == 0o600
    assert f"({target.stat().st_size} bytes)" == answered("backup")


def test_a_backup_is_restored(tmp_path: Path) -> None:
    (tmp_path / "backup").write_bytes(b"sealed")
    with Replay.of("restore") as box:
        assert box.restore_backup(tmp_path / "backup", "open sesame", quiet).model_dump() == answered("restore")


@pytest.mark.parametrize("name", ["settings-users", "settings-teams", "settings-options"])
def test_settings_are_read_as_they_are(name: str) -> None:
    with Replay.of(name) as box:
        assert list(box.settings(name.removeprefix("settings-"))) == answered(name)


def test_a_user_is_shut_out_by_its_number() -> None:
    with Replay.of("user-disable") as box:
        box.disable_user("user-0041")


def test_sessions_come_page_by_page() -> None:
    with Replay.of("sessions", "sessions-last-page") as box:
        first = box.sessions(0, 2)
        assert [session["seq"] for session in first.sessions] == [1, 2]
        assert first.next_after == 2
        assert box.sessions(23, 2).next_after is None


@pytest.mark.parametrize(
    ("name", "counts"),
    [("sessions-import", (1, 0, 0)), ("sessions-import-again", (0, 1, 0)), ("sessions-import-refused", (0, 0, 1))],
)
def test_every_session_put_back_is_accounted_for(name: str, counts: tuple[int, int, int]) -> None:
    with Replay.of(name) as box:
        result = box.import_sessions(message(name)["request"]["body"]["sessions"])
        assert (result.imported, result.already, len(result.refused)) == counts


def test_a_recording_comes_whole_or_from_where_it_broke_off() -> None:
    with Replay.of("recording", "recording-range") as box:
        assert sum(map(len, box.recording(RECORDED_LSID, 0))) == 94592
        assert sum(map(len, box.recording(RECORDED_LSID, 1000))) == 93592


def test_a_recording_is_put_back_once() -> None:
    with Replay.of("recording-import", "recording-import-again") as box:
        first = box.import_recording(SESSION, iter([FILM]), len(FILM), SHA256)
        again = box.import_recording(SESSION, iter([FILM]), len(FILM), SHA256)
    assert (first.imported, first.already) == (1, 0)
    assert (again.imported, again.already) == (0, 1)


# the end


def test_a_reset_is_asked_for_once_and_followed() -> None:
    replay = Replay("reset-none", "token", "reset", "reset-resetting", "reset-complete")
    with replay as box:
        assert box.reset("OLD-0001", quiet).state == "complete"
        assert answered("reset")["next_tls_sha256"] in replay.pins
    with Replay("reset-complete", "reset-complete") as box:
        assert box.reset("OLD-0001", quiet).state == "complete"


def test_the_reset_of_another_box_is_not_taken_for_ours() -> None:
    with Replay("reset-complete", "reset-complete") as box, pytest.raises(VerificationError, match="found OLD-0001"):
        box.reset("OLD-0002", quiet)


def test_it_is_shut_down_with_the_account_there_is() -> None:
    with Replay("reset-none", "token", "shut-down", "health", SILENCE) as box:
        box.shut_down()
    with Replay("reset-complete", "shut-down-factory-account", SILENCE) as box:
        box.shut_down()


# what no backup holds


def test_a_change_of_network_settings_is_asked_for_looked_at_and_confirmed() -> None:
    names = ("network-change-begin", "network-change-unconfirmed", "network-change-begin-again")
    with Replay.of(*names, "network-change-confirm") as box:
        change = box.begin_network_change(NUMBER, CHANGE, 60)
        assert (change.state, change.reason) == ("applying", None)
        assert box.network_change(change.id).state == "unconfirmed"
        assert box.begin_network_change(NUMBER, CHANGE, 60).state == "unconfirmed"
        assert box.confirm_network_change(change.id).state == "confirmed"


def test_a_change_is_taken_back_before_its_deadline() -> None:
    with Replay.of("network-change-revert") as box:
        change = box.revert_network_change(answered("network-change-revert")["id"])
    assert (change.state, change.reason, change.seconds_left) == ("reverted", "api:tests took it back", 0)


def test_tls_settings_are_read_and_replaced() -> None:
    with Replay.of("tls", "tls-change") as box:
        assert box.tls_settings() == TlsSettings(minimum_version="TLSv1.2", ciphers=())
        wanted = TlsSettings.model_validate(answered("tls-change"))
        assert box.set_tls_settings(wanted) == wanted


def test_accounts_are_known_by_name() -> None:
    with Replay.of("accounts") as box:
        accounts = box.accounts()
    assert [one.username for one in accounts.admins] == ["admin"]
    assert accounts.api_accounts == ("tests",)


# what a box refuses

Call = Callable[[EmulatedAppliance], object]
REFUSED: dict[str, tuple[str, Call]] = {
    "status-resetting": ("resetting", lambda box: box.status()),
    "address-add-again": ("conflict", lambda box: box.define_address(NEW, 24, "eth0")),
    "network-change-pending": (
        "change_pending",
        lambda box: box.begin_network_change("123456789abcdef0", CHANGE, 60),
    ),
    "network-change-reverted": (
        "reverted",
        lambda box: box.confirm_network_change(answered("network-change-revert")["id"]),
    ),
    "network-change-revert-late": (
        "conflict",
        lambda box: box.revert_network_change(answered("network-change-confirm")["id"]),
    ),
    "tls-unknown-suite": (
        "invalid_request",
        lambda box: box.set_tls_settings(TlsSettings(minimum_version="TLSv1.2", ciphers=("RC4-MD5",))),
    ),
    "address-last": ("last_address", lambda box: box.set_address_enabled("10.77.0.11", False)),
    "certificate-import-no-key": ("no_key", lambda box: box.import_certificate(b"", None)),
    "certificate-import-key-mismatch": ("key_mismatch", lambda box: box.import_certificate(b"", None)),
    "certificate-import-wrong-passphrase": ("wrong_passphrase", lambda box: box.import_certificate(b"", "y")),
    "certificate-import-unreadable": ("unreadable", lambda box: box.import_certificate(b"", None)),
    "certificate-import-clock": ("clock", lambda box: box.import_certificate(b"", None)),
    "certificate-assign-unknown": ("unknown_address", lambda box: box.assign_certificate(2, ["10.77.0.98"])),
    "certificate-delete-assigned": ("assigned", lambda box: box.delete_certificate(2)),
    "certificate-not-found": ("not_found", lambda box: box.delete_certificate(99)),
    "restore-corrupt": ("corrupt_backup", lambda box: box.restore_backup(Path(__file__), "open sesame", quiet)),
    "restore-wrong-passphrase": ("wrong_passphrase", lambda box: box.restore_backup(Path(__file__), "open", quiet)),
    "sessions-not-supported": ("not_supported", lambda box: box.import_sessions([])),
    "recording-range-beyond": ("range", lambda box: list(box.recording(RECORDED_LSID, 99999999))),
    "recording-not-found": ("not_found", lambda box: list(box.recording("e" * 32, 0))),
    "recording-import-mismatch": (
        "hash_mismatch",
        lambda box: box.import_recording(SESSION, iter([FILM]), len(FILM), SHA256),
    ),
    "updates-no-server": ("update_server", lambda box: box.check_for_updates()),
    "update-not-found": ("not_found", lambda box: box.install_update("Bomgar-99", quiet)),
    "reset-other-serial-number": ("serial_number", lambda box: box.reset("OLD-0002", quiet)),
}
_LOOKS_FIRST = {"address-add-again": "network", "address-last": "network"}
_NEXT_MOVES = {
    "clock": "Set the box's clock",
    "wrong_passphrase": "Check the passphrase's reference",
    "corrupt_backup": "download the backup again",
    "resetting": "Wait until the reset is complete",
    "change_pending": "wait until the box does",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_box_refuses_is_said_with_its_reason_and_the_next_move(name: str) -> None:
    code, call = REFUSED[name]
    before = ["token", *([_LOOKS_FIRST[name]] if name in _LOOKS_FIRST else [])]
    names = ["reset-none", *before, name] if name == "reset-other-serial-number" else [*before, name]
    with Replay(*names) as box, pytest.raises(BoxRefusedError) as caught:
        call(box)
    error = caught.value
    assert (error.box_code, error.status) == (code, message(name)["response"]["status"])
    assert error.where == "old (10.77.0.11)"
    assert error.why == answered(name)["message"]
    assert _NEXT_MOVES.get(code, "resume") in error.next_move


def test_a_weak_admin_password_is_the_boxs_to_refuse() -> None:
    with Replay("setup-weak-password", password="short") as box, pytest.raises(BoxRefusedError) as caught:
        box.take_into_use()
    assert caught.value.box_code == "weak_password"
    assert "at least 12 characters" in caught.value.why


def test_a_wrong_secret_and_a_locked_account_are_told_apart() -> None:
    with Replay("token-failure", secret="wrong") as box, pytest.raises(AuthenticationError) as refused:
        box.status()
    assert "no such API account, or the secret is wrong" in refused.value.why
    assert "client_secret" in refused.value.next_move
    with Replay("token-locked-out", "token", "status") as box:  # a lock that earlier looks have left is waited out
        assert box.status().serial_number == "OLD-0001"
    with Replay("token-locked-out", "token-locked-out") as box, pytest.raises(BoxRefusedError) as locked:
        box.status()
    assert locked.value.box_code == "locked_out"
    assert "Wait half a minute" in locked.value.next_move


# looking only

CHANGES: dict[str, Call] = {
    "take into use": lambda box: box.take_into_use(),
    "remove certificate": lambda box: box.delete_certificate(2),
    "import certificate": lambda box: box.import_certificate(b"", None),
    "export certificate": lambda box: box.export_certificate(2, "x"),
    "assign certificate": lambda box: box.assign_certificate(2, []),
    "restore": lambda box: box.restore_backup(Path(__file__), "x", quiet),
    "change network settings": lambda box: box.begin_network_change(NUMBER, CHANGE, 60),
    "confirm a change": lambda box: box.confirm_network_change("0"),
    "take a change back": lambda box: box.revert_network_change("0"),
    "change TLS settings": lambda box: box.set_tls_settings(TlsSettings(minimum_version="TLSv1.3")),
    "import sessions": lambda box: box.import_sessions([]),
    "import recording": lambda box: box.import_recording(SESSION, iter([FILM]), 4, SHA256),
    "check for updates": lambda box: box.check_for_updates(),
    "accept EULA": lambda box: box.accept_eula("Bomgar-12.2.0", "text", "A. Tester"),
    "install": lambda box: box.install_update("Bomgar-12.2.0", quiet),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_connection_that_may_only_look_sends_no_change(change: str) -> None:
    with Replay(read_only=True) as box, pytest.raises(RefusedError, match="only looks"):
        CHANGES[change](box)


def test_a_connection_that_may_only_look_looks_before_it_refuses(tmp_path: Path) -> None:
    looks: list[tuple[Call, tuple[str, ...]]] = [
        (lambda box: box.set_address_enabled(SHARED, True), ("token", "network")),
        (lambda box: box.define_address(NEW, 24, "eth0"), ("token", "network")),
        (lambda box: box.remove_address(SHARED), ("token", "network")),
        (lambda box: box.shut_down(), ("reset-none",)),
        (lambda box: box.reset("OLD-0001", quiet), ("reset-none",)),
        (lambda box: box.download_backup(tmp_path / "backup", "x", quiet), ()),
    ]
    for call, names in looks:
        with Replay(*names, read_only=True) as box, pytest.raises(RefusedError, match="only looks"):
            call(box)
    assert list(tmp_path.iterdir()) == []
    with Replay("token", "status", "network", read_only=True) as box:
        assert box.status().serial_number == "OLD-0001"
        assert box.network().hostname == "support.example.net"
