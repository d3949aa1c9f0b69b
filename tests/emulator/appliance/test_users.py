"""Users and passwords by the automation API: what the pages of `/login` do, for programs."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.emulator.appliance.box_process import ADMIN_PASSWORD, CLIENT_ID, CLIENT_SECRET, BoxProcess, in_use_order
from tests.emulator.appliance.pages.visitor import Visitor, heading
from tests.emulator.appliance.quiet_box import QuietBox, quiet_box
from toolkit.emulator.appliance.refusal import Refusal

FIRST, OWN, SECOND = "a first password", "a password of her own", "a second first password"
NEW = {"username": "New.User", "display_name": "New User", "email": "new@example.net", "password": FIRST}


def test_a_user_is_added_disabled_and_enabled_again(box: BoxProcess, api: httpx.Client) -> None:
    added = api.post("/api/v1/users", json=NEW)
    assert added.status_code == 201
    user = added.json()
    assert user == {
        **{"id": "user-0041", "username": "new.user", "display_name": "New User", "email": "new@example.net"},
        **{"rights": ["support"], "enabled": True},
    }
    assert api.get("/api/v1/settings/users").json()[-1] == user
    there = f"/api/v1/users/{user['id']}"

    with Visitor(box) as person:
        assert heading(person.log_in("login", "new.user", FIRST)) == "Choose a new password first"
        changed = api.put(
            "/api/v1/passwords/login", json={"new_password": OWN}, auth=httpx.BasicAuth("new.user", FIRST)
        )
        assert changed.status_code == 204
        assert heading(person.look("/login")) == "Log in", "her sessions have ended"
        assert heading(person.log_in("login", "new.user", OWN)) == "Information"

        assert api.post(f"{there}/disable").json() == {**user, "enabled": False}
        assert heading(person.look("/login")) == "Log in"
        assert person.log_in("login", "new.user", OWN).status_code == 401

        assert api.post(f"{there}/enable", json={"password": SECOND}).json() == user
        assert heading(person.log_in("login", "new.user", SECOND)) == "Choose a new password first"


def test_a_password_is_in_no_answer_no_audit_and_no_file(box: BoxProcess, api: httpx.Client) -> None:
    secrets = "a first secret", "a second secret", "a secret of one's own"
    answers = [api.post("/api/v1/users", json={**NEW, "username": "secretive", "password": secrets[0], "extra": 1})]
    assert answers[0].status_code == 422
    answers.append(api.post("/api/v1/users", json={**NEW, "username": "secretive", "password": secrets[0]}))
    there = f"/api/v1/users/{answers[-1].json()['id']}"
    answers.append(api.post(f"{there}/disable"))
    answers.append(api.post(f"{there}/enable", json={"password": secrets[1]}))
    new, account = {"new_password": secrets[2]}, httpx.BasicAuth("secretive", secrets[1])
    answers.append(api.put("/api/v1/passwords/login", json=new, auth=account))
    assert [answer.status_code for answer in answers] == [422, 201, 200, 200, 204]

    answers += [api.get("/api/v1/settings/users"), api.get("/api/v1/audit")]
    actions = [entry["action"] for entry in answers[-1].json()]
    assert actions[-4:] == ["add-user", "disable-user", "enable-user", "change-password"]
    kept = b"".join(path.read_bytes() for path in box.folder.rglob("*") if path.is_file())
    for secret in secrets:
        assert not any(secret in answer.text for answer in answers)
        assert secret.encode() not in kept


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"username": "admin"}, 409, "conflict"),
        ({"username": "two words"}, 422, "invalid_request"),
        ({"display_name": " "}, 422, "invalid_request"),
        ({"password": "short"}, 422, "weak_password"),
        ({"rights": ["administrator"]}, 422, "invalid_request"),
    ],
)
def test_users_that_cannot_be_are_refused(api: httpx.Client, wrong: dict[str, Any], status: int, code: str) -> None:
    before = api.get("/api/v1/settings/users").json()
    answer = api.post("/api/v1/users", json={**NEW, "username": "somebody", **wrong})
    assert (answer.status_code, answer.json()["error"]) == (status, code)
    assert api.get("/api/v1/settings/users").json() == before


def test_somebody_stays_who_may_enable_the_others(tmp_path: Path) -> None:
    with quiet_box(tmp_path / "disk", in_use_order()) as box:
        with pytest.raises(Refusal) as refused:
            box.users.disable("api:tests", "user-0001")
        assert (refused.value.status, refused.value.code) == (409, "conflict")
        _make_administrator(box, "user-0002")
        assert not box.users.disable("api:tests", "user-0001").enabled
        with pytest.raises(Refusal):
            box.users.disable("api:tests", "user-0002")


def _make_administrator(box: QuietBox, user_id: str) -> None:
    """No page and no call makes one; a restored backup may bring one."""
    with box._database.change() as connection:
        connection.execute(
            "UPDATE users SET record = json_set(record, '$.rights', json_array('administrator')) WHERE id = ?",
            (user_id,),
        )


def test_the_admins_password_is_changed_by_who_knows_it(tmp_path: Path) -> None:
    box = BoxProcess(tmp_path, in_use_order()).power_on()
    try:
        client, there, new = box.anonymous(), "/api/v1/passwords/appliance", {"new_password": OWN}
        with Visitor(box) as operator:
            operator.log_in("appliance")
            assert client.put(there, json=new).status_code == 401
            assert client.put(there, json=new, auth=("admin", "wrong")).json()["error"] == "invalid_credentials"
            weak = client.put(there, json={"new_password": "short"}, auth=("admin", ADMIN_PASSWORD))
            assert (weak.status_code, weak.json()["error"]) == (422, "weak_password")
            assert heading(operator.look("/appliance")) == "Basics"

            assert client.put(there, json=new, auth=("admin", ADMIN_PASSWORD)).status_code == 204
            assert heading(operator.look("/appliance")) == "Log in"
        body = {"client_secret": CLIENT_SECRET}
        for password, status in ((ADMIN_PASSWORD, 401), (OWN, 201)):
            answer = client.put("/api/v1/api-accounts/another", json=body, auth=("admin", password))
            assert answer.status_code == status
        for _ in range(5):
            client.put(there, json=new, auth=("admin", "wrong"))
        locked = client.put(there, json=new, auth=("admin", OWN))
        assert (locked.status_code, locked.json()["error"]) == (429, "locked_out")
    finally:
        box.remove()


def test_a_token_is_ended_by_its_own_client_only(box: BoxProcess, api: httpx.Client) -> None:
    mine, account = box.api(), httpx.BasicAuth(CLIENT_ID, CLIENT_SECRET)
    token = mine.headers["Authorization"].removeprefix("Bearer ")
    other = httpx.BasicAuth("another", CLIENT_SECRET)
    body = {"client_secret": CLIENT_SECRET}
    assert api.put("/api/v1/api-accounts/another", json=body, auth=("admin", ADMIN_PASSWORD)).status_code == 201

    assert mine.post("/oauth2/revoke", data={"token": token}, auth=other).status_code == 200
    assert mine.get("/api/v1/status").status_code == 200, "not another client's to end"
    refused = mine.post("/oauth2/revoke", data={"token": token}, auth=httpx.BasicAuth(CLIENT_ID, "wrong"))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")

    for _ in range(2):
        assert mine.post("/oauth2/revoke", data={"token": token}, auth=account).status_code == 200
        assert mine.get("/api/v1/status").json()["error"] == "access_denied"
    assert api.get("/api/v1/status").status_code == 200
