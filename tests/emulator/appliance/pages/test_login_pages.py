"""What `/login` shows and does: the site at a glance, its users, backup and restore."""

import re
from typing import Any

from tests.emulator.appliance.box_process import SITE, BoxProcess
from tests.emulator.appliance.pages.visitor import Visitor, heading

SOFTWARE = "/login/management/software"


def test_information_counts_what_the_site_holds(operator: Visitor) -> None:
    text = operator.look("/login/status/information").text
    for kind, count in (("Users", 40), ("Teams", 6), ("Jump Clients", 240), ("Session records", 24)):
        assert re.search(rf"<dt>{kind}</dt><dd>{count}</dd>", text), kind


def test_users_are_listed(operator: Visitor) -> None:
    text = operator.look("/login/users").text
    assert text.count('<th scope="row">') >= 40
    assert '<th scope="row">admin</th>' in text


def test_a_user_is_added_disabled_and_enabled_again(operator: Visitor, shared_box: BoxProcess) -> None:
    first, own = "a first password", "a password of her own"
    before = operator.look("/login/users").text.count('<th scope="row">')
    answer = operator.submit(
        "/login/users", "/login/users", username="New.User", display_name="New User", password=first
    )
    assert "The user was added." in answer.text
    assert answer.text.count('<th scope="row">') == before + 1

    with Visitor(shared_box) as user:
        assert heading(user.log_in("login", "new.user", first)) == "Choose a new password first"
        page = "/login/password"
        user.submit(page, page, password=first, new_password=own, repeated=own)
        assert heading(user.look("/login")) == "Information"

        assert "The user was disabled." in operator.submit("/login/users", "/login/users/user-0041/disable").text
        assert heading(user.look("/login")) == "Log in"
        assert user.log_in("login", "new.user", own).status_code == 401

        page = "/login/users/user-0041/enable"
        assert "The user was enabled." in operator.submit(page, page, password=first).text
        assert user.log_in("login", "new.user", own).status_code == 401
        assert heading(user.log_in("login", "new.user", first)) == "Choose a new password first"


def test_users_that_cannot_be_are_refused(operator: Visitor) -> None:
    good: dict[str, Any] = {"username": "somebody", "display_name": "Some Body", "password": "a first password"}
    for wrong, status in (
        ({"username": "admin"}, 409),
        ({"username": "two words"}, 422),
        ({"display_name": " "}, 422),
        ({"password": "short"}, 422),
    ):
        answer = operator.submit("/login/users", "/login/users", **{**good, **wrong})
        assert answer.status_code == status
        assert "somebody" not in answer.text


def test_nobody_locks_themselves_out(operator: Visitor) -> None:
    forms = operator.forms("/login/users")
    assert "/login/users/user-0001/disable" not in forms
    token = forms["/login/users"].fields["csrf_token"]
    answer = operator.http.post("/login/users/user-0001/disable", data={"csrf_token": token})
    assert answer.status_code == 409
    assert heading(operator.look("/login")) == "Information"


def test_only_administrators_change_anything(operator: Visitor, shared_box: BoxProcess) -> None:
    username = re.findall(r'<th scope="row">([^<]+)</th>', operator.look("/login/users").text)[1]
    with Visitor(shared_box) as user:
        user.log_in("login", username)
        assert heading(user.look("/login/users")) == "Users"
        for page, action in (("/login/users", "/login/users/user-0003/disable"), (SOFTWARE, f"{SOFTWARE}/backup")):
            answer = user.submit(page, action)
            assert answer.status_code == 403
            assert "Only administrators" in answer.text


def test_a_backup_is_downloaded_and_restored_with_its_passphrase_only(operator: Visitor) -> None:
    secret: dict[str, Any] = {"passphrase": "a backup passphrase"}
    backup = operator.submit(SOFTWARE, f"{SOFTWARE}/backup", **secret, repeated=secret["passphrase"])
    assert backup.status_code == 200
    assert "attachment" in backup.headers["content-disposition"]
    assert SITE.encode() not in backup.content

    refused: tuple[dict[str, Any], ...] = ({}, {"passphrase": "another passphrase"})
    for wrong in refused:
        answer = operator.submit(SOFTWARE, f"{SOFTWARE}/restore", files={"file": backup.content}, **wrong)
        assert answer.status_code == 422
        assert "Not done." in answer.text
    damaged = bytearray(backup.content)
    damaged[len(damaged) // 2] ^= 1
    answer = operator.submit(SOFTWARE, f"{SOFTWARE}/restore", files={"file": bytes(damaged)}, **secret)
    assert answer.status_code == 422
    assert heading(operator.look("/login")) == "Information"

    answer = operator.submit(SOFTWARE, f"{SOFTWARE}/restore", files={"file": backup.content}, **secret)
    assert "The settings were restored." in answer.text
    assert heading(answer) == "Log in"  # the accounts are those of the backup: who was logged in is asked again
    assert heading(operator.log_in("login")) == "Information"


def test_a_mistyped_passphrase_makes_no_backup(operator: Visitor) -> None:
    answer = operator.submit(SOFTWARE, f"{SOFTWARE}/backup", passphrase="one", repeated="two")
    assert answer.status_code == 422
    assert "not the same" in answer.text


def test_the_sites_front_door_is_open_to_everybody(shared_box: BoxProcess) -> None:
    with Visitor(shared_box) as anybody:
        answer = anybody.look("/")
        assert answer.status_code == 200
        assert heading(answer) == "Remote support"
        assert SITE in answer.text
