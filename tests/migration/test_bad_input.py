"""Bad input, end to end: a clear error, the right exit status, and nothing changed on either box."""

import hashlib
import json
import re
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.certificates.authority import Authority, Order
from tests.migration.rehearsal import Answer, Rehearsal
from toolkit.emulator.update_server.repository import Repository
from toolkit.emulator.update_server.spoil import WAYS
from toolkit.engine.room import room_for_way_back
from toolkit.engine.states import UNFINISHED, RunState
from toolkit.model.plan import Plan

_EXISTING = {"provision": {"driver": "existing"}}
_STRANGER = "10.77.0.99"
_WRONG_FINGERPRINT = "ab" * 32


@pytest.fixture(autouse=True)
def at_rest(rehearsal: Rehearsal) -> Iterator[None]:
    """Both boxes are on; what a failed test has left is taken back, so that one failure is one."""
    rehearsal.switch_on_new()
    yield
    for name in rehearsal.run_folders() - {"latest"}:
        if rehearsal.history(name).state in UNFINISHED:
            rehearsal.switch_on_new()
            rehearsal.carry("back", name)


def run(rehearsal: Rehearsal, name: str, changes: dict[str, Any], *options: object, **fields: Any) -> Answer:
    """`rebox run` with another inventory."""
    inventory = rehearsal.variant(name, {**_EXISTING, **changes})
    return rehearsal.rebox("run", inventory, "--yes", "--runs", rehearsal.runs, *options, **fields)


def assert_told(answer: Answer, status: int, *words: str) -> None:
    assert answer.status == status, answer.words
    assert "Traceback" not in answer.words
    for word in words:
        assert word in answer.words, answer.words


@contextmanager
def unchanged(rehearsal: Rehearsal, *, new: bool = True) -> Iterator[None]:
    """Neither box notes a change meanwhile (`new`: the new one neither), and the site is at the old one."""
    boxes = ("old", "new") if new else ("old",)
    before = {box: changes_of(rehearsal, box) for box in boxes}
    yield
    assert {box: changes_of(rehearsal, box) for box in boxes} == before
    assert rehearsal.site_as_users_see_it() == rehearsal.serving("old")


def changes_of(rehearsal: Rehearsal, box: str) -> list[str]:
    """What a box noted; handing out a copy is no change."""
    copies = ("download-backup", "export-certificate")
    return [action for action in rehearsal.actions(box) if action not in copies]


# --------------------------------------------------------------------------- refused before there is a run

_REFUSED_AT_PLANNING: dict[str, tuple[dict[str, Any], int, tuple[str, ...]]] = {
    "unreachable": ({"old.address": _STRANGER}, 1, (f"old ({_STRANGER})", "the box does not answer", "switched on")),
    "other-certificate-old": (
        {"old.tls_sha256": _WRONG_FINGERPRINT},
        1,
        ("old (10.77.0.21)", "serves another TLS certificate", _WRONG_FINGERPRINT, "console"),
    ),
    "other-certificate-new": (
        {"new.tls_sha256": _WRONG_FINGERPRINT},
        1,
        ("new (10.77.0.22)", "serves another TLS certificate", _WRONG_FINGERPRINT, "console"),
    ),
    "other-serial-number": (
        {"old.serial_number": "RB-OTHER-1"},
        3,
        ("another box answers as the old one", "RB-OTHER-1", "RB-OLD-0001", "old.serial_number"),
    ),
    "same-serial-number": (
        {"new.serial_number": "RB-OLD-0001"},
        2,
        ("old and new are the same box", "serial number RB-OLD-0001"),
    ),
    "same-address": ({"new.address": "10.77.0.21"}, 2, ("old and new are the same box", "10.77.0.21")),
    "misspelt": ({"package.verison": "Bomgar-12.2.0"}, 2, ("package.verison", 'Did you mean "version"?')),
}


@pytest.mark.parametrize("name", _REFUSED_AT_PLANNING)
def test_what_planning_sees_is_refused_before_there_is_a_run(rehearsal: Rehearsal, name: str) -> None:
    changes, status, words = _REFUSED_AT_PLANNING[name]
    runs = rehearsal.run_folders()
    with unchanged(rehearsal):
        assert_told(run(rehearsal, name, changes), status, "Error", *words)
    assert rehearsal.run_folders() == runs


def test_the_old_box_under_another_address_is_not_taken_for_the_new_one(rehearsal: Rehearsal) -> None:
    assert rehearsal.lab.description.site
    changes = {"new.address": "fd77::21", "new.tls_sha256": rehearsal.lab.description.site.certificate_sha256}
    runs = rehearsal.run_folders()
    with unchanged(rehearsal):
        assert_told(run(rehearsal, "same-box", changes), 3, "the old box itself answers as the new one", "new.address")
    assert rehearsal.run_folders() == runs


def test_a_wrong_api_secret_is_refused_and_not_repeated(rehearsal: Rehearsal) -> None:
    wrong = "not-the-secret-of-this-box-at-all"
    runs = rehearsal.run_folders()
    with unchanged(rehearsal):
        told = run(rehearsal, "wrong-secret", {"old.client_secret": rehearsal.secret_file("wrong", wrong)})
    assert_told(told, 1, "old (10.77.0.21)", "refuses our API account", "client 'rebox'", "client_secret")
    assert wrong not in told.words
    assert rehearsal.run_folders() == runs


def test_a_secret_others_can_read_is_refused(rehearsal: Rehearsal) -> None:
    reference = rehearsal.secret_file("open", "whatever it may be")
    Path(reference.removeprefix("file:")).chmod(0o644)
    assert_told(run(rehearsal, "open-secret", {"old.client_secret": reference}), 2, "read by others", "chmod 600")


# --------------------------------------------------------------------------------- stopped by a gate at once


def assert_stopped(rehearsal: Rehearsal, answer: Answer, step: str, status: int, *words: str) -> str:
    """The run of the answer stopped there, and its own records say why; returns its id."""
    assert_told(answer, status, step, *words)
    stopped = max(rehearsal.run_folders() - {"latest"})
    history = rehearsal.history(stopped)
    assert history.stopped_at == step
    assert history.state in (RunState.BLOCKED, RunState.FAILED)
    for word in words[:1]:
        assert word in str(history.stopped_why["summary"])
    report = (rehearsal.runs / stopped / "report.html").read_text(encoding="utf-8")
    assert step in report
    return stopped


def go_back(rehearsal: Rehearsal, stopped: str) -> None:
    """Ends a stopped run, so that the boxes are free for the next."""
    assert rehearsal.carry("back", stopped).told["state"] == RunState.WENT_BACK
    assert rehearsal.site_as_users_see_it() == rehearsal.serving("old")


def test_without_an_accepted_eula_nothing_begins(rehearsal: Rehearsal) -> None:
    with unchanged(rehearsal):
        told = run(rehearsal, "eula", {"package.eula_accepted": False})
    stopped = assert_stopped(rehearsal, told, "inspect-old", 3, "EULA", "package.eula_accepted = true")

    # exactly what it says: a run reads a copy of its own
    said = re.search(r"set (\S+) = true and \S+ in (\S+), then resume", told.words)
    assert said, told.words
    assert said[1] == "package.eula_accepted"
    named = Path(said[2])
    named.write_text(named.read_text(encoding="utf-8").replace("eula_accepted = false", "eula_accepted = true"))
    assert_told(resume(rehearsal, stopped), 3, "inventory.toml of the run changed", "add --changes-meant")
    assert rehearsal.carry("resume", stopped, kill_at="inspect-old:verified", changes_meant=True).killed_at
    go_back(rehearsal, stopped)


def test_a_mistake_in_a_runs_own_inventory_is_found_where_it_is(rehearsal: Rehearsal) -> None:
    started = rehearsal.start(rehearsal.variant("mended", _EXISTING))
    own = rehearsal.runs / started / "inventory.toml"
    right = own.read_text(encoding="utf-8")
    own.write_text(right.replace("serial_number", "serial_nmber", 1), encoding="utf-8")
    assert_told(resume(rehearsal, started), 2, f"{own}:", 'Did you mean "serial_number"?')
    own.write_text(right, encoding="utf-8")
    go_back(rehearsal, started)


def test_a_package_too_old_for_the_backup_is_refused_before_anything_begins(rehearsal: Rehearsal) -> None:
    with unchanged(rehearsal):
        told = run(rehearsal, "too-old", {"package.version": "Bomgar-12.0.1"})
    stopped = assert_stopped(rehearsal, told, "inspect-old", 3, "too old for the backup", "Bomgar-12.1.6")
    go_back(rehearsal, stopped)


def test_an_address_that_a_stranger_uses_is_not_taken(rehearsal: Rehearsal) -> None:
    rehearsal.lab.power_off("new")
    change = ["ip", "address", "add", "10.77.0.22/24", "dev", "eth0"]
    assert rehearsal.lab.run("client2", change).returncode == 0
    try:
        with unchanged(rehearsal):
            told = rehearsal.rebox("run", rehearsal.inventory, "--yes", "--runs", rehearsal.runs)
        mac = rehearsal.lab.description.machines["client2"].mac
        stopped = assert_stopped(rehearsal, told, "provision-new", 3, "in use by a stranger", mac, "another address")
        assert rehearsal.lab.status().machines["new"].power == "off"
    finally:
        change[2] = "delete"
        assert rehearsal.lab.run("client2", change).returncode == 0
    go_back(rehearsal, stopped)


def test_a_box_that_shows_another_certificate_when_it_is_switched_on_is_told_no_secret(rehearsal: Rehearsal) -> None:
    rehearsal.lab.power_off("new")
    inventory = rehearsal.variant("first-contact", {"new.tls_sha256": _WRONG_FINGERPRINT})
    with unchanged(rehearsal):
        told = rehearsal.rebox("run", inventory, "--yes", "--runs", rehearsal.runs)
    words = ("serves another TLS certificate", _WRONG_FINGERPRINT, "console")
    stopped = assert_stopped(rehearsal, told, "provision-new", 1, *words)
    go_back(rehearsal, stopped)
    assert rehearsal.lab.status().machines["new"].power == "off"


# ------------------------------------------------------------------------------------------ stopped on the way


def run_until(rehearsal: Rehearsal, name: str, changes: dict[str, Any], point: str) -> str:
    """A run that was killed at that point."""
    started = rehearsal.start(rehearsal.variant(name, {**_EXISTING, **changes}))
    ended = rehearsal.carry("run", started, kill_at=point)
    assert ended.killed_at == point, ended.told
    return started


def resume(rehearsal: Rehearsal, started: str, *options: object) -> Answer:
    return rehearsal.rebox("resume", started, "--runs", rehearsal.runs, *options)


def test_a_certificate_without_its_key_cannot_be_exported(rehearsal: Rehearsal) -> None:
    inventory = rehearsal.variant("keyless", _EXISTING)
    started = rehearsal.start(inventory)
    with unchanged(rehearsal, new=False):
        ended = rehearsal.carry("run", started, keyless=True).told
    assert (ended["state"], ended["step"]) == (RunState.FAILED, "export-certificate")
    assert "without its private key" in ended["summary"]
    go_back(rehearsal, started)


def make_authority() -> Authority:
    """One that browsers take: its certificates say that they sign."""
    signs = x509.KeyUsage(
        key_cert_sign=True,
        crl_sign=True,
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    begun, ended = datetime.now(UTC) - timedelta(days=900), datetime.now(UTC) + timedelta(days=900)
    root = Order("Root", authority=True, start=begun, end=ended, extensions=((signs, True),)).signed_by(None)
    middle = Order("Middle", authority=True, path_length=0, start=begun, end=ended, extensions=((signs, True),))
    return Authority(root, middle.signed_by(root))


@contextmanager
def own_certificate(rehearsal: Rehearsal, folder: Path, *, days: int, order: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The old box serves a certificate that ends in so many days, its chain in that order; the inventory's changes."""
    assert rehearsal.lab.description.site
    authority, now = make_authority(), datetime.now(UTC)
    name = rehearsal.lab.description.site.name
    leaf = authority.issue(Order(name, (name,), start=now - timedelta(days=90), end=now + timedelta(days=days)))
    parts = (leaf, authority.intermediate, authority.root)
    (folder / "root.pem").write_bytes(authority.root.pem)
    fingerprint = hashlib.sha256(leaf.der).hexdigest()
    chain = b"".join(parts[number].pem for number in order)
    with rehearsal.serving_another_certificate(chain, leaf.key_pem, fingerprint):
        yield {"site.ca_file": str(folder / "root.pem"), "old.tls_sha256": fingerprint}


def test_an_expired_certificate_is_not_moved(rehearsal: Rehearsal, folder: Path) -> None:
    with own_certificate(rehearsal, folder, days=-1, order=(0, 1)) as changes:
        before = changes_of(rehearsal, "old"), changes_of(rehearsal, "new")
        told = run(rehearsal, "expired", changes)
        stopped = assert_stopped(rehearsal, told, "inspect-old", 1, "not accepted for", "expired on 20")
        assert (changes_of(rehearsal, "old"), changes_of(rehearsal, "new")) == before
        assert rehearsal.carry("back", stopped).told["state"] == RunState.WENT_BACK


def test_a_chain_in_the_wrong_order_is_put_right_and_that_is_said(rehearsal: Rehearsal, folder: Path) -> None:
    with own_certificate(rehearsal, folder, days=90, order=(0, 2, 1)) as changes:
        started = run_until(rehearsal, "order", changes, "import-certificate:recorded")
        result = rehearsal.history(started).steps["export-certificate"].result
        assert "chain-order: the chain was in the wrong order; it is put right" in str(result)
        assert_told(rehearsal.rebox("report", started, "--runs", rehearsal.runs), 0)
        report = json.loads((rehearsal.runs / started / "report.json").read_text(encoding="utf-8"))
        assert any("chain-order" in finding for finding in report["certificate"]["findings"])
        assert rehearsal.carry("back", started).told["state"] == RunState.WENT_BACK


def test_wrong_passphrases_stop_the_step_that_needs_them(rehearsal: Rehearsal) -> None:
    certificate = Path(rehearsal.secret_file("certificate", "a passphrase for the key").removeprefix("file:"))
    backup = Path(rehearsal.secret_file("backup", "a passphrase for the backup").removeprefix("file:"))
    references = {"certificate.passphrase": f"file:{certificate}", "backup.passphrase": f"file:{backup}"}
    started = run_until(rehearsal, "passphrases", references, "install-site-package:recorded")
    right = {path: path.read_text(encoding="ascii") for path in (certificate, backup)}

    certificate.write_text("another passphrase\n", encoding="ascii")
    with unchanged(rehearsal):
        told = resume(rehearsal, started)
    assert_stopped(rehearsal, told, "import-certificate", 2, "passphrase is wrong", "certificate.pem")
    assert "another passphrase" not in told.words

    certificate.write_text(right[certificate], encoding="ascii")
    backup.write_text("another passphrase\n", encoding="ascii")
    with unchanged(rehearsal, new=False):
        told = resume(rehearsal, started)
    assert_stopped(rehearsal, told, "restore-settings", 1, "passphrase", "inventory")
    assert "restore-settings" not in rehearsal.actions("new")[-1:]

    backup.write_text(right[backup], encoding="ascii")
    assert rehearsal.carry("resume", started, kill_at="restore-settings:recorded").killed_at
    go_back(rehearsal, started)


def test_a_backup_that_is_damaged_before_the_swing_keeps_the_traffic_where_it_is(rehearsal: Rehearsal) -> None:
    started = run_until(rehearsal, "damaged", {}, "start-watch:recorded")
    folder = rehearsal.runs / started / "backup"
    for name, damage in (("settings", flipped), ("records", lambda content: content[: len(content) // 2])):
        path = max((folder / name).iterdir(), key=lambda file: file.stat().st_size)
        whole = path.read_bytes()
        path.write_bytes(damage(whole))
        with unchanged(rehearsal):
            told = resume(rehearsal, started)
        assert_stopped(rehearsal, told, "swing-traffic", 3, "backup-intact", str(path), "Take another copy")
        path.write_bytes(whole)
    assert rehearsal.carry("resume", started, kill_at="swing-traffic:recorded").killed_at
    go_back(rehearsal, started)


def shut_out(rehearsal: Rehearsal, number: int) -> str:
    """Somebody disables a user on the old box, whatever a run is doing meanwhile."""
    user = rehearsal.ask_old("GET", "/api/v1/settings/users")[number]
    rehearsal.ask_old("POST", f"/api/v1/users/{user['id']}/disable")
    return str(user["username"])


def shut_out_on(rehearsal: Rehearsal, box: str) -> set[str]:
    rows = rehearsal.rows(box, "SELECT username FROM users WHERE NOT json_extract(record, '$.enabled')")
    return {row["username"] for row in rows}


def test_support_sessions_stop_the_swing_until_they_end_or_are_cut_and_nobody_shut_out_meanwhile_gets_in_again(
    rehearsal: Rehearsal,
) -> None:
    # without the right serial number the run stops before the reset, and the old box stays for the next tests
    changes = {"reset.confirm_serial_number": "RB-OLD-0007"}
    started = run_until(rehearsal, "sessions", changes, "start-watch:recorded")
    user = rehearsal.ask_old("GET", "/api/v1/settings/users")[1]["username"]
    help_of = {"username": user, "customer": "Ana Lima"}
    first, second = (rehearsal.ask_old("POST", "/api/v1/active-sessions", help_of)["lsid"] for _ in range(2))

    gone = {shut_out(rehearsal, 20)}
    with unchanged(rehearsal, new=False):
        told = resume(rehearsal, started)
    assert_stopped(rehearsal, told, "swing-traffic", 3, "2 support sessions", "--acknowledge no-active-sessions")
    assert shut_out_on(rehearsal, "new") == gone
    rehearsal.ask_old("DELETE", f"/api/v1/active-sessions/{first}")
    with unchanged(rehearsal):
        told = resume(rehearsal, started)
    assert_stopped(rehearsal, told, "swing-traffic", 3, "1 support session is active")

    # between two attempts of the swing: compared again, and carried again
    gone.add(shut_out(rehearsal, 21))
    told = resume(rehearsal, started)
    assert_stopped(rehearsal, told, "swing-traffic", 3, "1 support session is active")
    assert shut_out_on(rehearsal, "new") == gone

    told = resume(rehearsal, started, "--acknowledge", "no-active-sessions")
    assert_stopped(rehearsal, told, "reset-old", 3, "RB-OLD-0007")
    assert rehearsal.ask_old("GET", "/api/v1/status")["active_sessions"] == 0, "the swing has ended it"
    kept = {row["lsid"]: json.loads(row["record"]) for row in rehearsal.rows("old", "SELECT * FROM sessions")}
    assert kept[first]["events"][-1]["by"] == kept[first]["representative"]
    assert "gave up" in kept[second]["events"][-1]["reason"]
    assert (rehearsal.history(started).steps["collect-late-records"].result or {})["late_sessions"] == 2
    on_new = {row["lsid"] for row in rehearsal.rows("new", "SELECT lsid FROM sessions")}
    assert {first, second} <= on_new

    # after the swing, users work on the new box: what harms none of them is carried, all else is told
    gone.add(shut_out(rehearsal, 22))
    late = {"username": "late.user", "display_name": "Late User", "password": "a first password"}
    late_id = rehearsal.ask_old("POST", "/api/v1/users", late)["id"]
    told = resume(rehearsal, started)
    assert_stopped(rehearsal, told, "carry-late-changes", 3, "ake on the new box user late.user", f"users/{late_id}")
    assert shut_out_on(rehearsal, "new") == gone
    mended = rehearsal.runs / started / "inventory.toml"
    text = mended.read_text(encoding="utf-8")
    mended.write_text(text.replace("[backup]\n", f'[backup]\nleave_changes = ["users/{late_id}"]\n'), encoding="utf-8")
    told = resume(rehearsal, started, "--changes-meant")
    assert_stopped(rehearsal, told, "reset-old", 3, "RB-OLD-0007")
    report = json.loads((rehearsal.runs / started / "report.json").read_text(encoding="utf-8"))
    outcomes = [(row["name"] in gone, row["outcome"]) for row in report["changed_meanwhile"]]
    assert sorted(outcomes) == [(False, "left behind, as the inventory says")] + 3 * [(True, "carried over")]
    go_back(rehearsal, started)


def test_a_session_that_goes_on_after_a_swing_by_dns_is_waited_for_and_its_record_is_kept(
    dns_rehearsal: Rehearsal,
) -> None:
    dns_rehearsal.switch_on_new()
    changes = {"reset.confirm_serial_number": "RB-OLD-0007"}
    started = run_until(dns_rehearsal, "goes-on", changes, "start-watch:recorded")
    user = dns_rehearsal.ask_old("GET", "/api/v1/settings/users")[1]["username"]
    help_of = {"username": user, "customer": "Ana Lima"}
    session = dns_rehearsal.ask_old("POST", "/api/v1/active-sessions", help_of)["lsid"]

    told = resume(dns_rehearsal, started)
    assert_stopped(dns_rehearsal, told, "collect-late-records", 3, "1 support session is still going on", "resume")
    assert dns_rehearsal.ask_old("GET", "/api/v1/status")["active_sessions"] == 1

    dns_rehearsal.ask_old("DELETE", f"/api/v1/active-sessions/{session}")
    told = resume(dns_rehearsal, started)
    assert_stopped(dns_rehearsal, told, "reset-old", 3, "RB-OLD-0007")
    assert (dns_rehearsal.history(started).steps["collect-late-records"].result or {})["late_sessions"] == 1
    assert session in {row["lsid"] for row in dns_rehearsal.rows("new", "SELECT lsid FROM sessions")}
    go_back(dns_rehearsal, started)


def flipped(content: bytes) -> bytes:
    """One bit in the middle is another."""
    damaged = bytearray(content)
    damaged[len(damaged) // 2] ^= 1
    return bytes(damaged)


@pytest.mark.parametrize("way", ["tampered-metadata", "expired", "tampered-packages", "truncated-packages"])
def test_a_spoilt_update_repository_leaves_the_new_box_as_it_was(fresh: Rehearsal, way: str, folder: Path) -> None:
    started = run_until(fresh, way, {}, "export-certificate:recorded")
    updates, kept = fresh.lab.folder.updates, folder / "updates"
    shutil.copytree(updates, kept)
    WAYS[way](Repository(updates))
    try:
        told = resume(fresh, started)
        stopped = assert_stopped(fresh, told, "install-site-package", 1, "new (10.77.0.22)")
        assert any(word in told.words for word in ("signature", "expired", "hash", "length", "truncated", "Nothing"))
        assert fresh.rows("new", "SELECT value FROM facts WHERE name = 'site_version'") in ([], [{"value": "null"}])
    finally:
        shutil.rmtree(updates)
        shutil.copytree(kept, updates)
    go_back(fresh, stopped)


def test_a_wrong_clock_on_the_new_box_is_named(fresh: Rehearsal) -> None:
    clock = fresh.lab.folder.disk("new") / "clock.json"
    fresh.lab.power_off("new")
    clock.write_text('{"offset_seconds": -300000000}', encoding="ascii")
    fresh.lab.power_on("new")
    started = fresh.start(fresh.variant("clock", {}))
    told = resume(fresh, started)
    stopped = assert_stopped(fresh, told, "install-site-package", 1, "clock", "NTP")
    go_back(fresh, stopped)
    fresh.make_new_again()


@pytest.fixture
def fresh(rehearsal: Rehearsal) -> Rehearsal:
    """The new box as it came from the factory."""
    rehearsal.make_new_again()
    return rehearsal


@dataclass
class SmallDisk:
    """A disk of the operator's, for runs; `folder` is where it is mounted."""

    rehearsal: Rehearsal
    folder: Path

    def resize(self, size: str) -> None:
        """Gives it that size, from the first time on."""
        mounted = self._on_it("mountpoint", "-q") == 0
        options = ("-o", f"{'remount,' * mounted}size={size}", "none")
        assert self._on_it("mount", "-t", "tmpfs", *options) == 0

    def clear(self) -> None:
        """Takes back what is unfinished there: the boxes are free for the next test, whatever became of this one."""
        runs = json.loads(self.rehearsal.rebox("runs", "--runs", self.folder, "--json").out)
        for unfinished in (run["run_id"] for run in runs if run["state"] in UNFINISHED):
            self.rehearsal.switch_on_new()
            told = self.rehearsal.operator("back", run=unfinished, runs=self.folder).told
            assert told["state"] == RunState.WENT_BACK, told
        assert self._on_it("umount") == 0

    def _on_it(self, *command: str) -> int:
        return self.rehearsal.lab.run("operator", [*command, str(self.folder)]).returncode


@pytest.fixture
def small_disk(rehearsal: Rehearsal, folder: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(rehearsal, folder / "small")
    disk.folder.mkdir()
    disk.resize("16k")
    yield disk
    disk.resize("50m")
    disk.clear()


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(fresh: Rehearsal, small_disk: SmallDisk) -> None:
    inventory, runs = fresh.variant("full", _EXISTING), small_disk.folder
    room_kib = room_for_way_back(Plan.model_validate(fresh.plan(inventory))) // 1024
    # no room for the run's own files, then none for its way back
    for size in ("16k", f"{room_kib - 1024}k"):
        small_disk.resize(size)
        with unchanged(fresh):
            told = fresh.rebox("run", inventory, "--yes", "--runs", runs)
        assert_told(told, 1, str(runs), "the disk is full", "Free space")
        assert list(runs.iterdir()) == []

    # full under its journal, then under the records: which step that stops does not matter
    for more_kib, command in ((300, ("run", inventory, "--yes")), (1200, ("resume", "latest"))):
        small_disk.resize(f"{room_kib + more_kib}k")
        with unchanged(fresh, new=False):
            told = fresh.rebox(*command, "--runs", runs)
        assert_told(told, 1, "disk is full")
        assert re.search(rf"Free space on the disk (of|that holds) {re.escape(str(runs))}/", told.words), told.words

    small_disk.resize(f"{room_kib + 50 * 1024}k")
    ended = fresh.operator("resume", run="latest", runs=runs, kill_at="put-back-records:recorded")
    assert ended.killed_at, str(ended.answer)
    assert fresh.operator("back", run="latest", runs=runs).told["state"] == RunState.WENT_BACK


def test_a_second_command_is_refused_while_a_run_is_at_work_and_ctrl_c_leaves_it_resumable(
    rehearsal: Rehearsal,
) -> None:
    inventory = rehearsal.variant("second", _EXISTING)
    started = rehearsal.start(inventory)
    with rehearsal.beside("resume", started, "--runs", rehearsal.runs) as process:
        journal = rehearsal.runs / started / "journal.jsonl"
        deadline = time.monotonic() + 60
        while not journal.exists() or "acting" not in journal.read_text(encoding="utf-8"):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGSTOP)
        attempts = journal.read_text(encoding="utf-8").count('"event":"run"')
        assert_told(resume(rehearsal, started), 3, "is being worked on", "Ctrl-C")
        assert_told(rehearsal.rebox("run", inventory, "--yes", "--runs", rehearsal.runs), 3, "RB-", started)
        assert_told(rehearsal.rebox("back", started, "--yes", "--runs", rehearsal.runs), 3, "is being worked on")
        bystander = rehearsal.runs.with_name("bystander")
        for words in (
            ("backup", "create", inventory, "--to", bystander),
            ("backup", "restore", inventory, rehearsal.runs / started / "backup", "--yes"),
            ("cert", "export", "--inventory", inventory, "--box", "old", "--to", bystander, "--unencrypted-key"),
        ):
            assert_told(rehearsal.rebox(*words), 3, "is being worked on", started)
        assert not bystander.exists()
        assert journal.read_text(encoding="utf-8").count('"event":"run"') == attempts
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert rehearsal.history(started).state is RunState.INTERRUPTED
    go_back(rehearsal, started)


def test_a_wrongly_typed_serial_number_closes_the_reset(rehearsal: Rehearsal) -> None:
    started = run_until(rehearsal, "typed", {"reset.confirm_serial_number": "RB-OLD-0007"}, "soak:recorded")
    told = resume(rehearsal, started)
    assert_stopped(rehearsal, told, "reset-old", 3, "RB-OLD-0007", "not the old box's")
    told = resume(rehearsal, started, "--confirm-serial", "RB-NEW-0002")
    assert_stopped(rehearsal, told, "reset-old", 3, "RB-NEW-0002", "not the old box's")
    assert "reset" not in rehearsal.actions("old")
    go_back(rehearsal, started)


def test_the_wrong_tsig_key_leaves_the_zone_as_it_was(dns_rehearsal: Rehearsal) -> None:
    dns, site = dns_rehearsal.lab.description.dns, dns_rehearsal.lab.description.site
    assert dns
    assert site
    dns_rehearsal.switch_on_new()
    before = dns_rehearsal.user("names", name=site.name, servers=[dns.server]).told
    wrong = dns_rehearsal.secret_file("tsig", "d3JvbmcgYnV0IHdlbGwgZm9ybWVkIGtleSBvZiAzMiA=")
    told = run(dns_rehearsal, "tsig", {"swing.tsig_secret": wrong})
    stopped = assert_stopped(dns_rehearsal, told, "lower-ttl", 1, "refuses our TSIG key", "tsig_secret")
    assert f"in {dns_rehearsal.runs / stopped / 'inventory.toml'} against" in told.words
    assert dns_rehearsal.user("names", name=site.name, servers=[dns.server]).told == before
    go_back(dns_rehearsal, stopped)
