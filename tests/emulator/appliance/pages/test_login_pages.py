"""What `/login` shows and does: the site at a glance, its users, backup and restore."""

import re
from typing import Any

from tests.emulator.appliance.pages.visitor import BoxProcess, Visitor, heading

SOFTWARE = "/login/management/software"


def test_information_counts_what_the_site_holds(operator: Visitor) -> None:
    text = operator.look("/login/status/information").text
    for kind, count in (("Users", 40), ("Teams", 6), ("Jump Clients", 240), ("Session records", 24)):
        assert re.search(rf"<dt>{kind}</dt><dd>{count}</dd>", text), kind


def test_users_are_listed(operator: Visitor) -> None:
    text = operator.look("/login/users").text
    assert len(re.findall(r'<th scope="row">', text)) == 40
    assert '<th scope="row">admin</th>' in text


def test_a_backup_is_downloaded_and_restored_with_its_passphrase_only(operator: Visitor) -> None:
    secret: dict[str, Any] = {"passphrase": "a backup passphrase"}
    backup = operator.submit(SOFTWARE, f"{SOFTWARE}/backup", **secret, repeated=secret["passphrase"])
    assert backup.status_code == 200
    assert "attachment" in backup.headers["content-disposition"]
    assert b"support.example.com" not in backup.content

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
        assert "support.example.com" in answer.text
