"""Every kind of call to a box, and what it answers: recorded once, and held to by every later box.

`python -m tests.emulator.appliance.conversation` writes `fixtures/appliance-api/NAME.json`, one call each:
`{"request": {"method", "path", "headers", "body"}, "response": {"status", "headers", "body"}}`. What is no JSON stands
as text; a file stands as a sentence in parentheses. The toolkit's tests replay these messages to its driver.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from tests.emulator.appliance.box_process import (
    ADMIN_PASSWORD,
    CLIENT_ID,
    CLIENT_SECRET,
    OWN,
    SHARED,
    BoxProcess,
    factory_order,
    in_use_order,
    wait_until,
)
from tests.emulator.appliance.paperwork import Chain

FIXTURES = Path(__file__).parents[3] / "fixtures" / "appliance-api"
Message = dict[str, Any]
_HEADERS = ("authorization", "content-type", "range", "content-sha256")
_ANSWER_HEADERS = (
    "content-type",
    "content-disposition",
    "content-range",
    "content-sha256",
    "retry-after",
    "www-authenticate",
)


class Recorder:
    """Calls a box and keeps what was said."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.messages: dict[str, Message] = {}

    def hang_up(self) -> None:
        """The next call comes over a new connection."""
        self.client.get("/check_health", headers={"Connection": "close"})

    def __call__(self, name: str, method: str, path: str, *, instead: str | None = None, **named: Any) -> Any:
        """One call; `instead` stands for a body that is a file. Returns the answer's JSON, or its bytes."""
        request = self.client.build_request(method, path, **{k: v for k, v in named.items() if k != "auth"})
        answer = self.client.send(request, auth=named.get("auth", httpx.USE_CLIENT_DEFAULT))
        # what auth adds is in the request that was really sent
        self.messages[name] = {
            "request": {
                "method": method,
                "path": answer.request.url.raw_path.decode(),
                "headers": _kept(answer.request.headers, _HEADERS),
                "body": instead or _body(request.headers, request.content),
            },
            "response": {
                "status": answer.status_code,
                "headers": _kept(answer.headers, _ANSWER_HEADERS),
                "body": _body(answer.headers, answer.content),
            },
        }
        is_json = answer.headers.get("content-type") == "application/json"
        return answer.json() if is_json else answer.content


def _kept(headers: httpx.Headers, names: tuple[str, ...]) -> dict[str, str]:
    kept = {name: headers[name] for name in names if name in headers}
    if kept.get("content-type", "").startswith("multipart/"):
        kept["content-type"] = "multipart/form-data"
    return kept


def _body(headers: httpx.Headers, content: bytes) -> Any:
    kind = headers.get("content-type", "").partition(";")[0]
    if not content:
        return None
    if kind == "application/json":
        return json.loads(content)
    if kind == "application/octet-stream":
        return f"({len(content)} bytes)"
    return content.decode()


def converse(folder: Path) -> dict[str, Message]:
    """The whole conversation, with two boxes made in `folder`."""
    messages: dict[str, Message] = {}
    for name, order, talk in (("old", in_use_order(), _with_the_old_box), ("new", factory_order(), _with_the_new_box)):
        (folder / name).mkdir()
        box = BoxProcess(folder / name, order)
        try:
            recorder = Recorder(box.power_on().anonymous())
            talk(recorder, box)
            messages |= recorder.messages
        finally:
            box.remove()
    return messages


def _with_the_old_box(say: Recorder, box: BoxProcess) -> None:
    say("health", "GET", "/check_health")
    say("status-without-token", "GET", "/api/v1/status")
    grant = {"grant_type": "client_credentials"}
    say("token-wrong-secret", "POST", "/oauth2/token", data={**grant, "client_id": CLIENT_ID, "client_secret": "no"})
    say("token-other-grant", "POST", "/oauth2/token", data={"grant_type": "password"}, auth=(CLIENT_ID, CLIENT_SECRET))
    say(
        "token-in-form", "POST", "/oauth2/token", data={**grant, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    )
    token = say("token", "POST", "/oauth2/token", data=grant, auth=(CLIENT_ID, CLIENT_SECRET))["access_token"]
    say.client.headers["Authorization"] = f"Bearer {token}"
    say("status", "GET", "/api/v1/status")
    say("clock", "PUT", "/api/v1/clock", json={"time": "2026-11-22T20:00:00+00:00"})
    # what follows is about certificates of today
    say.client.put("/api/v1/clock", json={"time": datetime.now(UTC).isoformat()})
    _about_errors(say)
    _about_the_network(say)
    _about_certificates(say)
    _about_settings(say)
    _about_users(say)
    _about_passwords(say)
    _about_records(say)
    say("audit", "GET", "/api/v1/audit?after=3")
    _about_sessions_in_progress(say)
    say("job-not-found", "GET", "/api/v1/jobs/0123456789abcdef")
    _about_the_end(say, box)


def _about_errors(say: Recorder) -> None:
    say("unknown-path", "GET", "/api/v1/nothing")
    say("wrong-method", "DELETE", "/api/v1/status")
    say("unknown-field", "PUT", "/api/v1/network", json={"hostnam": "typo"})
    say("missing-field", "PUT", "/api/v1/clock", json={})
    say("not-json", "PUT", "/api/v1/clock", content="time", headers={"Content-Type": "text/plain"})
    say("too-large", "PUT", "/api/v1/clock", instead="(2 MiB of x)", content="x" * (2 << 20))


def _about_the_network(say: Recorder) -> None:
    say("network", "GET", "/api/v1/network")
    say("network-change", "PUT", "/api/v1/network", json={"dns_servers": ["10.77.0.2"], "ntp_servers": ["10.77.0.3"]})
    new = {"address": "10.77.0.99", "prefix": 24, "interface": "eth0", "shared": True, "enabled": False}
    number = say("address-add", "POST", "/api/v1/network/addresses", json=new)["id"]
    say("address-add-again", "POST", "/api/v1/network/addresses", json=new)
    say("address-enable", "PATCH", f"/api/v1/network/addresses/{number}", json={"enabled": True})
    say("address-disable", "PATCH", f"/api/v1/network/addresses/{number}", json={"enabled": False})
    say("address-last", "PATCH", "/api/v1/network/addresses/1", json={"enabled": False})
    say("address-delete", "DELETE", f"/api/v1/network/addresses/{number}")
    say("address-not-found", "PATCH", f"/api/v1/network/addresses/{number}", json={"enabled": True})
    _about_guarded_changes(say)
    say("tls", "GET", "/api/v1/tls")
    wanted = {"minimum_version": "TLSv1.2", "ciphers": ["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"]}
    say("tls-change", "PUT", "/api/v1/tls", json=wanted)
    say("tls-unknown-suite", "PUT", "/api/v1/tls", json={"minimum_version": "TLSv1.2", "ciphers": ["RC4-MD5"]})
    say("accounts", "GET", "/api/v1/accounts")


def _about_guarded_changes(say: Recorder) -> None:
    wanted = {
        "confirm_within_seconds": 60,
        "routes": [{"destination": "10.200.0.0/16", "gateway": "10.77.0.1"}],
        "addresses": [{"address": OWN, "prefix": 24, "interface": "eth0"}],
    }
    there, number, other = "/api/v1/network/changes", "0123456789abcdef", "123456789abcdef0"
    say("network-change-begin", "PUT", f"{there}/{number}", json=wanted)
    say("network-change-pending", "PUT", f"{there}/{other}", json=wanted)
    # asked until it is applied, which comes after the answer
    wait_until(lambda: say("network-change-unconfirmed", "GET", f"{there}/{number}")["state"] == "unconfirmed", "it")
    say("network-change-begin-again", "PUT", f"{there}/{number}", json=wanted)
    say.hang_up()
    say("network-change-confirm", "POST", f"{there}/{number}/confirm")
    say("network-change-revert-late", "POST", f"{there}/{number}/revert")
    say("network-change-not-found", "GET", f"{there}/{other}")
    number = other
    say.client.put(f"{there}/{number}", json=wanted)
    say("network-change-revert", "POST", f"{there}/{number}/revert")
    say("network-change-reverted", "POST", f"{there}/{number}/confirm")


def _about_certificates(say: Recorder) -> None:
    chain, other, expired = Chain.issue(), Chain.issue("other.example.net"), Chain.issue(days=(-90, -1))
    files = {
        "certificate-import-no-key": (chain.pem, "PEM: leaf, intermediate", None),
        "certificate-import-key-mismatch": (chain.pem + other.leaf.key_pem(), "PEM: leaf, another's key", None),
        "certificate-import-passphrase-required": (chain.pem + chain.leaf.key_pem("x"), "PEM, key encrypted", None),
        "certificate-import-wrong-passphrase": (chain.pem + chain.leaf.key_pem("x"), "PEM, key encrypted", "y"),
        "certificate-import-unreadable": (b"\x89PNG", "a picture", None),
        "certificate-import-clock": (expired.pem + expired.leaf.key_pem(), "PEM: expired leaf and key", None),
        "certificate-import": (chain.pem + chain.leaf.key_pem("x"), "PEM: leaf, intermediate, encrypted key", "x"),
        "certificate-import-again": (chain.pkcs12("x"), "PKCS#12", "x"),
    }
    for name, (content, instead, passphrase) in files.items():
        form = {"passphrase": passphrase} if passphrase else {}
        say(
            name,
            "POST",
            "/api/v1/certificates/import",
            instead=f"(file: {instead}; passphrase: {passphrase or 'none'})",
            files={"file": ("site.pem", content)},
            data=form,
        )
    there = f"/api/v1/certificates/{say('certificates', 'GET', '/api/v1/certificates')[-1]['id']}"
    say("certificate-assign", "PUT", f"{there}/addresses", json={"addresses": [SHARED]})
    say("certificate-assign-unknown", "PUT", f"{there}/addresses", json={"addresses": ["10.77.0.98"]})
    say("certificate-delete-assigned", "DELETE", there)
    export = {"include_key": True, "passphrase": "x", "format": "pem"}
    say("certificate-export", "POST", f"{there}/export", json=export)
    say("certificate-not-found", "DELETE", "/api/v1/certificates/99")
    say("certificate-unassign", "PUT", f"{there}/addresses", json={"addresses": []})
    say("certificate-delete", "DELETE", there)


def _about_settings(say: Recorder) -> None:
    for kind in ("users", "teams", "options"):
        say(f"settings-{kind}", "GET", f"/api/v1/settings/{kind}")
    backup = say("backup", "POST", "/api/v1/backup", json={"passphrase": "open sesame"})
    cases = {
        "restore-corrupt": (backup[:-9], "open sesame"),
        "restore-passphrase-required": (backup, None),
        "restore-wrong-passphrase": (backup, "open"),
        "restore": (backup, "open sesame"),
    }
    for name, (content, passphrase) in cases.items():
        say(
            name,
            "POST",
            "/api/v1/restore",
            instead=f"(file: a backup; passphrase: {passphrase or 'none'})",
            files={"file": ("a.rbxbak", content)},
            data={"passphrase": passphrase} if passphrase else {},
        )


def _about_users(say: Recorder) -> None:
    new = {
        "username": "new.user",
        "display_name": "New User",
        "email": "new@example.net",
        "password": "a first password",
    }
    number = say("user-add", "POST", "/api/v1/users", json=new)["id"]
    say("user-add-again", "POST", "/api/v1/users", json=new)
    say("user-add-weak-password", "POST", "/api/v1/users", json={**new, "username": "other", "password": "short"})
    say("user-disable", "POST", f"/api/v1/users/{number}/disable")
    say("user-disable-last-administrator", "POST", "/api/v1/users/user-0001/disable")
    say("user-enable", "POST", f"/api/v1/users/{number}/enable", json={"password": "another first password"})
    say("user-not-found", "POST", "/api/v1/users/user-9999/disable")


def _about_passwords(say: Recorder) -> None:
    for interface, username, password in (
        ("login", "new.user", "another first password"),
        ("appliance", "admin", ADMIN_PASSWORD),
    ):
        there, account = f"/api/v1/passwords/{interface}", (username, password)
        say(f"password-weak-{interface}", "PUT", there, json={"new_password": "short"}, auth=account)
        say(f"password-{interface}", "PUT", there, json={"new_password": "another long password"}, auth=account)
        say(f"password-wrong-{interface}", "PUT", there, json={"new_password": ADMIN_PASSWORD}, auth=account)


def _about_sessions_in_progress(say: Recorder) -> None:
    say(
        "active-session-begin", "POST", "/api/v1/active-sessions", json={"username": "new.user", "customer": "Ana Lima"}
    )
    say("active-session-nobody", "POST", "/api/v1/active-sessions", json={"username": "nobody", "customer": "Ana Lima"})
    lsid = say("active-sessions", "GET", "/api/v1/active-sessions")[0]["lsid"]
    say("status-with-a-session", "GET", "/api/v1/status")
    say("active-session-end", "DELETE", f"/api/v1/active-sessions/{lsid}")
    say("active-session-not-found", "DELETE", f"/api/v1/active-sessions/{'e' * 32}")


def _about_records(say: Recorder) -> None:
    page = say("sessions", "GET", "/api/v1/sessions?after=0&limit=2")
    say("sessions-last-page", "GET", "/api/v1/sessions?after=23&limit=2")
    record = {**page["sessions"][0], "lsid": "f" * 32}
    record.pop("seq")
    say("sessions-import", "POST", "/api/v1/sessions", json={"sessions": [record]})
    say("sessions-import-again", "POST", "/api/v1/sessions", json={"sessions": [record]})
    other = {**record, "team": "Another"}
    say("sessions-import-refused", "POST", "/api/v1/sessions", json={"sessions": [other]})
    recorded = next(one for one in page["sessions"] if one["recording"])
    say("recording", "GET", f"/api/v1/recordings/{recorded['lsid']}")
    say("recording-range", "GET", f"/api/v1/recordings/{recorded['lsid']}", headers={"Range": "bytes=1000-"})
    say("recording-range-beyond", "GET", f"/api/v1/recordings/{recorded['lsid']}", headers={"Range": "bytes=99999999-"})
    say("recording-not-found", "GET", f"/api/v1/recordings/{'e' * 32}")
    digest = {"Content-SHA256": hashlib.sha256(b"film").hexdigest(), "Content-Type": "application/octet-stream"}
    say("recording-import-mismatch", "PUT", f"/api/v1/recordings/{'f' * 32}", content=b"flim", headers=digest)
    say("recording-import", "PUT", f"/api/v1/recordings/{'f' * 32}", content=b"film", headers=digest)
    say("recording-import-again", "PUT", f"/api/v1/recordings/{'f' * 32}", content=b"film", headers=digest)


def _about_the_end(say: Recorder, box: BoxProcess) -> None:
    say("reset-none", "GET", "/api/v1/reset")
    say("reset-other-serial-number", "POST", "/api/v1/reset", json={"serial_number": "OLD-0002"})
    box.plant("reset-never-completes")
    say("reset", "POST", "/api/v1/reset", json={"serial_number": "OLD-0001"})
    say("reset-resetting", "GET", "/api/v1/reset")
    say("status-resetting", "GET", "/api/v1/status")
    say("health-resetting", "GET", "/check_health")
    box.plant()
    wait_until(lambda: say("reset-complete", "GET", "/api/v1/reset")["state"] == "complete", "the reset's end")
    say("status-after-reset", "GET", "/api/v1/status")
    say("shut-down-factory-account", "POST", "/api/v1/power/shut-down", auth=("admin", "password"))


def _with_the_new_box(say: Recorder, box: BoxProcess) -> None:
    first = {"username": "admin", "password": "password"}
    say("setup-weak-password", "POST", "/api/v1/setup/password", json={**first, "new_password": "short"})
    wrong = {"username": "admin", "password": "wrong", "new_password": ADMIN_PASSWORD}
    say("setup-wrong-password", "POST", "/api/v1/setup/password", json=wrong)
    account = f"/api/v1/api-accounts/{CLIENT_ID}"
    secret = {"client_secret": CLIENT_SECRET}
    say("api-account-before-setup", "PUT", account, json=secret, auth=("admin", "password"))
    body = {"new_password": ADMIN_PASSWORD}
    say("password-before-setup", "PUT", "/api/v1/passwords/appliance", json=body, auth=("admin", "password"))
    say("setup-password", "POST", "/api/v1/setup/password", json={**first, "new_password": ADMIN_PASSWORD})
    say("setup-password-again", "POST", "/api/v1/setup/password", json={**first, "new_password": ADMIN_PASSWORD})
    say("api-account-made", "PUT", account, json=secret, auth=("admin", ADMIN_PASSWORD))
    say("api-account-replaced", "PUT", account, json=secret, auth=("admin", ADMIN_PASSWORD))
    say("api-account-wrong-password", "PUT", account, json=secret, auth=("admin", "wrong"))
    grant = {"grant_type": "client_credentials"}
    token = say("token-new-box", "POST", "/oauth2/token", data=grant, auth=(CLIENT_ID, CLIENT_SECRET))["access_token"]
    for _ in range(5):
        say("token-failure", "POST", "/oauth2/token", data=grant, auth=(CLIENT_ID, "wrong"))
    say("token-locked-out", "POST", "/oauth2/token", data=grant, auth=(CLIENT_ID, CLIENT_SECRET))
    say.client.headers["Authorization"] = f"Bearer {token}"
    say("status-without-site", "GET", "/api/v1/status")
    say("certificates-factory", "GET", "/api/v1/certificates")
    user = {"username": "new.user", "display_name": "New User", "password": "a first password"}
    say("user-add-no-site", "POST", "/api/v1/users", json=user)
    say("active-session-no-site", "POST", "/api/v1/active-sessions", json={"username": "admin", "customer": "Ana"})
    say("backup-no-site", "POST", "/api/v1/backup", json={"passphrase": None})
    say("sessions-not-supported", "POST", "/api/v1/sessions", json={"sessions": []})
    say("updates", "GET", "/api/v1/updates")
    say("updates-no-server", "POST", "/api/v1/updates/check")
    say("update-not-found", "POST", "/api/v1/updates/Bomgar-99/install")
    client = {"client_id": "passing", "client_secret": CLIENT_SECRET}
    say.client.put("/api/v1/api-accounts/passing", json=secret, auth=("admin", ADMIN_PASSWORD))
    passing = say.client.post("/oauth2/token", data={**grant, **client}).json()["access_token"]
    say("token-revoke", "POST", "/oauth2/revoke", data={"token": passing}, auth=("passing", CLIENT_SECRET))
    say("shut-down", "POST", "/api/v1/power/shut-down")
    assert box.wait_off() == 0


def recorded() -> Iterator[tuple[str, Message]]:
    """What lies in the fixtures, by name."""
    for path in sorted(FIXTURES.glob("*.json")):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Records everything anew."""
    FIXTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        messages = converse(Path(folder))
    for path in FIXTURES.glob("*.json"):
        path.unlink()
    for name, message in messages.items():
        text = json.dumps(message, indent=1, ensure_ascii=False) + "\n"
        (FIXTURES / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
