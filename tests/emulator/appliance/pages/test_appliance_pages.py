"""What `/appliance` shows and does: status, network, certificates, updates, power and reset."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from tests.emulator.appliance.box_process import (
    ADMIN_PASSWORD,
    OLD_SERIAL_NUMBER,
    OWN,
    SHARED,
    SITE,
    BoxProcess,
    wait_until,
)
from tests.emulator.appliance.pages.visitor import Visitor, heading, in_use
from tests.emulator.update_server.authority import Authority
from toolkit.emulator.update_server.repository import Offer, make_repository
from toolkit.emulator.update_server.server import serving

BASICS = "/appliance/status/basics"
NETWORK = "/appliance/networking/ip-configuration"
CERTIFICATES = "/appliance/security/certificates"
UPDATES = "/appliance/support/updates"


# Status > Basics


def test_basics_shows_versions_serial_number_guid_clock_and_what_is_stored(operator: Visitor) -> None:
    text = operator.look(BASICS).text
    for shown in ("3.3.2", "Bomgar-12.1.6", OLD_SERIAL_NUMBER, SITE, f"{datetime.now(UTC):%Y-%m-%d}"):
        assert shown in text
    assert re.search(r"<dt>Session records</dt><dd>24</dd>", text)


def test_the_clock_is_set_and_runs_on(owner: Visitor) -> None:
    answer = owner.submit(BASICS, "/appliance/status/clock", time="2031-05-01T12:00:00")
    assert "The clock was set." in answer.text
    assert "2031-05-01 12:00:" in answer.text
    answer = owner.submit(BASICS, "/appliance/status/clock", time="yesterday")
    assert answer.status_code == 422
    assert "The time is not written like" in answer.text
    assert "2031-05-01 12:0" in answer.text


@pytest.mark.parametrize("deed", ["reboot", "shut-down", "reset"])
def test_what_ends_service_wants_the_right_serial_number(operator: Visitor, shared_box: BoxProcess, deed: str) -> None:
    page = f"/appliance/status/{deed}"
    answer = operator.submit(page, page, serial_number="RB-OTHER-1")
    assert answer.status_code == 409
    assert "serial number" in answer.text
    assert heading(operator.look(BASICS)) == "Basics"
    assert shared_box.process.poll() is None


def test_shut_down_ends_the_box(owner: Visitor, box: BoxProcess) -> None:
    answer = owner.submit("/appliance/status/shut-down", "/appliance/status/shut-down", serial_number=OLD_SERIAL_NUMBER)
    assert heading(answer) == "The appliance is shutting down"
    assert box.process.wait(timeout=15) == 0


def test_reboot_brings_the_box_back(owner: Visitor, box: BoxProcess) -> None:
    owner.submit("/appliance/status/reboot", "/appliance/status/reboot", serial_number=OLD_SERIAL_NUMBER)
    deadline = time.monotonic() + 20
    booted = None
    while booted is None:
        assert time.monotonic() < deadline
        try:
            with Visitor(box) as again:
                again.log_in("appliance")
                text = again.look(BASICS).text
                booted = re.search(r"<dt>Running for</dt><dd>(\d) s</dd>", text)
        except (AssertionError, httpx.TransportError, KeyError):
            time.sleep(0.05)


def test_a_reset_is_followed_to_its_end_by_anybody(owner: Visitor, box: BoxProcess) -> None:
    answer = owner.submit("/appliance/status/reset", "/appliance/status/reset", serial_number=OLD_SERIAL_NUMBER)
    assert answer.url.path == "/appliance/reset"
    box.wait_for_console("factory reset: complete")
    with Visitor(box) as anybody:
        text = anybody.look("/appliance/reset").text
        assert "The reset is complete since" in text
        assert OLD_SERIAL_NUMBER in text
        assert anybody.log_in("appliance").status_code == 401
        assert heading(anybody.log_in("appliance", password="password")) == "Choose a new password first"


def test_while_a_reset_runs_every_other_page_is_closed(box: BoxProcess, owner: Visitor) -> None:
    (box.disk / "faults").write_text("reset-never-completes\n")
    owner.submit("/appliance/status/reset", "/appliance/status/reset", serial_number=OLD_SERIAL_NUMBER, follow=False)
    page = owner.look("/appliance/reset")
    assert "Everything is being destroyed." in page.text
    assert page.headers["refresh"] == "1"
    for path in (BASICS, "/login/users", "/"):
        answer = owner.look(path)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
    box.process.kill()


# Networking > IP Configuration


def test_the_shared_address_is_disabled_and_enabled_by_its_box(operator: Visitor) -> None:
    action = "/appliance/networking/addresses/2"
    assert operator.forms(NETWORK)[action].fields["enabled"] == "true"
    answer = operator.submit(NETWORK, action, enabled=None)
    assert "The address is disabled." in answer.text
    assert "enabled" not in operator.forms(NETWORK)[action].fields
    assert "The address is enabled." in operator.submit(NETWORK, action, enabled="true").text


def test_the_last_own_address_cannot_be_taken_away(operator: Visitor) -> None:
    for answer in (
        operator.submit(NETWORK, "/appliance/networking/addresses/1", enabled=None),
        operator.submit("/appliance/networking/addresses/1/delete", "/appliance/networking/addresses/1/delete"),
    ):
        assert answer.status_code == 409
        assert OWN in answer.text
    assert operator.forms(NETWORK)["/appliance/networking/addresses/1"].fields["enabled"] == "true"


def test_addresses_are_added_and_deleted(operator: Visitor) -> None:
    new: dict[str, Any] = {"address": "10.77.0.99", "prefix": "24", "interface": "eth0"}
    answer = operator.submit(NETWORK, "/appliance/networking/addresses", **new)
    assert "The address was added." in answer.text
    assert operator.submit(NETWORK, "/appliance/networking/addresses", **new).status_code == 409
    wrong = operator.submit(NETWORK, "/appliance/networking/addresses", **{**new, "address": "10.77.0.999"})
    assert wrong.status_code == 422

    page = "/appliance/networking/addresses/3/delete"
    assert "10.77.0.99" in operator.look(page).text
    assert "The address was deleted." in operator.submit(page, page).text
    assert "10.77.0.99" not in operator.look(NETWORK).text
    assert operator.look(page).status_code == 404


def test_name_servers_and_time_servers_are_saved(operator: Visitor) -> None:
    saved = operator.submit(
        NETWORK,
        "/appliance/networking/settings",
        hostname="box.example.net",
        dns_servers="10.77.0.53\n10.77.0.54",
        ntp_servers="ntp.example.net",
    )
    assert "The network settings were saved." in saved.text
    assert "10.77.0.53\n10.77.0.54</textarea>" in saved.text
    wrong = operator.submit(
        NETWORK, "/appliance/networking/settings", hostname="box.example.net", dns_servers="not an address"
    )
    assert wrong.status_code == 422
    assert "10.77.0.53\n10.77.0.54</textarea>" in wrong.text


def test_a_change_that_undoes_itself_is_begun_shown_and_kept(owner: Visitor, box: BoxProcess) -> None:
    page = owner.submit(NETWORK, "/appliance/networking/settings", hostname="renamed", confirm_within_seconds="600")
    assert "A change waits to be confirmed" in page.text
    (confirm,) = [action for action in owner.forms(NETWORK) if action.endswith("/confirm")]
    # it is applied once the answer is out: whoever is quicker than that presses again
    kept = "The change of the network settings is kept."
    wait_until(lambda: kept in owner.submit(NETWORK, confirm).text, "the change to be kept")
    assert owner.forms(NETWORK)["/appliance/networking/settings"].fields["hostname"] == "renamed"
    assert not [action for action in owner.forms(NETWORK) if "/changes/" in action]


def test_or_undone(owner: Visitor, box: BoxProcess) -> None:
    owner.submit(NETWORK, "/appliance/networking/settings", hostname="renamed", confirm_within_seconds="600")
    other = owner.submit(NETWORK, "/appliance/networking/settings", hostname="other")
    assert (other.status_code, "waits to be confirmed" in other.text) == (409, True)
    (revert,) = [action for action in owner.forms(NETWORK) if action.endswith("/revert")]
    page = owner.submit(NETWORK, revert)
    assert "The change of the network settings was undone." in page.text
    assert owner.forms(NETWORK)["/appliance/networking/settings"].fields["hostname"] == SITE
    wrong = owner.submit(NETWORK, "/appliance/networking/settings", confirm_within_seconds="soon")
    assert (wrong.status_code, "is a number of seconds" in wrong.text) == (422, True)


# Security > Certificates


@pytest.fixture
def bundle(tmp_path: Path) -> bytes:
    """Certificate and key in one PEM file."""
    certificate, key = Authority(tmp_path).issue(SITE)
    return certificate.read_bytes() + key.read_bytes()


def test_a_certificate_is_imported_assigned_exported_and_deleted(operator: Visitor, bundle: bytes) -> None:
    imported = operator.submit(CERTIFICATES, f"{CERTIFICATES}/import", files={"file": bundle})
    assert "The certificate was imported." in imported.text
    assert SITE in imported.text
    page = imported.url.path

    again = operator.submit(CERTIFICATES, f"{CERTIFICATES}/import", files={"file": bundle})
    assert "was here already" in again.text

    assigned = operator.submit(page, f"{page}/addresses", addresses=[OWN, SHARED])
    assert "The configuration was saved" in assigned.text
    refused = operator.submit(f"{page}/delete", f"{page}/delete")
    assert refused.status_code == 409
    assert OWN in refused.text

    plain = operator.submit(page, f"{page}/export", file_format="pem")
    assert plain.headers["content-disposition"].startswith("attachment; filename=")
    assert b"PRIVATE KEY" not in plain.content
    secret: dict[str, Any] = {"include_key": "true", "passphrase": "a passphrase", "repeated": "a passphrase"}
    sealed = operator.submit(page, f"{page}/export", file_format="pem", **secret)
    key = sealed.content[sealed.content.index(b"-----BEGIN ENCRYPTED PRIVATE KEY") :]
    assert load_pem_private_key(key, b"a passphrase")
    packed = operator.submit(page, f"{page}/export", file_format="pkcs12", **secret)
    assert load_pkcs12(packed.content, b"a passphrase").key
    mistyped = operator.submit(page, f"{page}/export", file_format="pem", **{**secret, "repeated": "another"})
    assert mistyped.status_code == 422

    operator.submit(page, f"{page}/addresses", addresses=[])
    assert "The certificate was deleted." in operator.submit(f"{page}/delete", f"{page}/delete").text
    assert operator.look(page).status_code == 404


@pytest.mark.parametrize("content", [b"", b"nonsense", b"x" * 2_000_000], ids=["empty", "nonsense", "too large"])
def test_a_file_that_is_no_certificate_is_refused(operator: Visitor, content: bytes) -> None:
    answer = operator.submit(CERTIFICATES, f"{CERTIFICATES}/import", files={"file": content})
    assert answer.status_code in (413, 422)
    assert "Not done." in answer.text
    assert len(re.findall(r'<th scope="row">', operator.look(CERTIFICATES).text)) == 1


# Support > Updates


@pytest.fixture
def updatable(tmp_path: Path) -> Iterator[BoxProcess]:
    """A box in use that was made to trust an update server that runs."""
    authority = Authority(tmp_path)
    repository = make_repository(tmp_path / "updates", "https://127.0.0.1", offer=Offer(SITE), package_bytes=200_000)
    with serving(repository, *authority.issue("127.0.0.1")) as port:
        box = in_use(
            tmp_path,
            update_server=f"https://127.0.0.1:{port}",
            tuf_root=repository.root_file.read_bytes(),
            ca=authority.ca_file.read_bytes(),
        )
        yield box
        box.remove()


def follow_job(visitor: Visitor, page: str) -> str:
    """Reloads the page as a browser would until the job has ended; returns the page's heading."""
    deadline = time.monotonic() + 30
    while True:
        assert time.monotonic() < deadline
        try:
            answer = visitor.look(page)
        except httpx.TransportError:  # the services restart
            continue
        if "refresh" not in answer.headers:
            return heading(answer)
        time.sleep(0.05)


def test_updates_are_listed_greyed_out_signed_and_installed(updatable: BoxProcess) -> None:
    with Visitor(updatable) as visitor:
        visitor.log_in("appliance")
        unchecked = visitor.look(UPDATES).text
        assert "Not checked yet." in unchecked
        assert "as of the last check" not in unchecked
        listed = visitor.submit(UPDATES, f"{UPDATES}/check").text
        assert "Not checked yet." not in listed
        assert "Base 3.3.2 does not satisfy Bomgar-12.2.0&#39;s requirements: install Base 3.3.3 first." in listed
        assert f"{UPDATES}/Base-3.3.3/install" in listed
        assert f"{UPDATES}/Bomgar-12.2.0/install" not in listed

        started = visitor.submit(f"{UPDATES}/Base-3.3.3/install", f"{UPDATES}/Base-3.3.3/install")
        assert follow_job(visitor, started.url.path) == "Installed"
        listed = visitor.look(UPDATES).text
        assert "Installed: Base 3.3.3" in listed
        assert "does not satisfy" not in listed

        eula = f"{UPDATES}/Bomgar-12.2.0/eula"
        assert "END USER LICENCE AGREEMENT" in visitor.look(eula).text
        unsigned = visitor.submit(f"{UPDATES}/Bomgar-12.2.0/install", f"{UPDATES}/Bomgar-12.2.0/install")
        assert unsigned.status_code == 409
        nobody = visitor.submit(eula, eula, signed_by=" ")
        assert nobody.status_code == 422
        assert "The licence agreement was signed." in visitor.submit(eula, eula, signed_by="A. Tester").text

        started = visitor.submit(f"{UPDATES}/Bomgar-12.2.0/install", f"{UPDATES}/Bomgar-12.2.0/install")
        assert follow_job(visitor, started.url.path) == "Installed"
        assert "Base 3.3.3, Bomgar-12.2.0" in visitor.look(UPDATES).text


def test_a_wrong_clock_is_named_on_the_page(updatable: BoxProcess) -> None:
    with Visitor(updatable) as visitor:
        visitor.log_in("appliance")
        visitor.submit(BASICS, "/appliance/status/clock", time="2012-01-01T00:00:00")
        answer = visitor.submit(UPDATES, f"{UPDATES}/check")
        assert answer.status_code == 409
        assert "clock is wrong: it says 2012-01-01" in re.sub(r"&#39;", "'", answer.text)


def test_a_failed_installation_says_why_and_that_a_reboot_is_dangerous(updatable: BoxProcess) -> None:
    (updatable.disk / "faults").write_text("install-fails\n")
    with Visitor(updatable) as visitor:
        visitor.log_in("appliance")
        visitor.submit(UPDATES, f"{UPDATES}/check")
        started = visitor.submit(f"{UPDATES}/Base-3.3.3/install", f"{UPDATES}/Base-3.3.3/install")
        assert follow_job(visitor, started.url.path) == "The installation failed"
        text = visitor.look(started.url.path).text
        assert "The installation broke off. Nothing was changed" in text
        assert "Do not reboot" in text
        assert "Installed: Base 3.3.2" in visitor.look(UPDATES).text


def test_the_progress_page_loads_itself_until_it_is_told_not_to(operator: Visitor, shared_box: BoxProcess) -> None:
    with closing(shared_box.database()) as database:
        database.execute(
            "INSERT INTO jobs VALUES ('half', 'install', 'running', 'downloading', 0.34, 1200000, 3000000, NULL)"
        )
    page = operator.look(f"{UPDATES}/jobs/half")
    assert page.headers["refresh"] == "1"
    assert "34 %" in page.text
    assert "1.2 MB of 3.0 MB" in page.text
    assert "refresh" not in operator.look(f"{UPDATES}/jobs/half?refresh=false").headers
    with closing(shared_box.database()) as database:
        database.execute("DELETE FROM jobs WHERE id = 'half'")


def test_a_job_that_never_was_is_not_found(operator: Visitor) -> None:
    assert operator.look(f"{UPDATES}/jobs/unknown").status_code == 404


def test_every_change_is_in_the_audit_under_its_own_name(operator: Visitor) -> None:
    for enabled in (None, "true"):
        operator.submit(NETWORK, "/appliance/networking/addresses/2", enabled=enabled)
    secret = "a secret of twenty-four characters"
    account = operator.http.put(
        "/api/v1/api-accounts/auditor", json={"client_secret": secret}, auth=("admin", ADMIN_PASSWORD)
    )
    assert account.status_code == 201
    token = operator.http.post(
        "/oauth2/token", data={"grant_type": "client_credentials"}, auth=("auditor", secret)
    ).json()["access_token"]
    audit = operator.http.get("/api/v1/audit", headers={"Authorization": f"Bearer {token}"}).json()
    assert any(entry["actor"] == "appliance:admin" and "address" in entry["action"] for entry in audit), json.dumps(
        audit
    )
