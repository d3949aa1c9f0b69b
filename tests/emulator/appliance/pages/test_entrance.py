"""Sessions, forms from elsewhere, lockout, and the password every new box must lose."""

from contextlib import closing
from typing import cast

import pytest
from fastapi.routing import APIRoute

from tests.emulator.appliance.box_process import ADMIN_PASSWORD, OWN, BoxProcess
from tests.emulator.appliance.pages.visitor import Visitor, heading
from toolkit.emulator.appliance.pages import PARTS

OPEN_PATHS = {"/", "/assets/pages.css", "/assets/icon.svg", "/appliance/reset"}
ROUTES = [(prefix, cast("APIRoute", route)) for prefix, part in PARTS for route in part.routes]
FILLERS = {
    "deed": "reboot",
    "address_id": "1",
    "change_id": "0123456789abcdef",
    "certificate_id": "1",
    "update_id": "Base-3.3.3",
    "job_id": "1",
    "user_id": "user-0002",
}


def paths(method: str) -> list[str]:
    return sorted(
        f"{prefix}{route.path}".format(**FILLERS) for prefix, route in ROUTES if method in (route.methods or ())
    )


PAGES = [path for path in paths("GET") if path not in OPEN_PATHS and not path.endswith("/log-in")]
FORMS = [path for path in paths("POST") if not path.endswith("/log-in")]


def test_the_session_cookie_is_kept_from_scripts_from_other_sites_and_from_the_other_interface(
    visitor: Visitor,
) -> None:
    answer = visitor.submit(
        "/appliance/log-in", "/appliance/log-in", username="admin", password=ADMIN_PASSWORD, follow=False
    )
    cookie = next(
        text for text in answer.headers.get_list("set-cookie") if text.startswith("appliance_session=")
    ).lower()
    for attribute in ("httponly", "secure", "samesite=strict", "path=/appliance"):
        assert attribute in cookie
    assert heading(visitor.look("/appliance")) == "Basics"
    assert heading(visitor.look("/login")) == "Log in"


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_shown_to_a_stranger(visitor: Visitor, path: str) -> None:
    interface = path.split("/")[1]
    answer = visitor.http.get(path)
    assert answer.status_code == 303
    assert heading(visitor.look(path)) == "Log in"
    assert visitor.look(path).url.path == f"/{interface}/log-in"


@pytest.mark.parametrize("path", FORMS)
def test_no_form_is_taken_without_the_sessions_token(visitor: Visitor, path: str) -> None:
    visitor.log_in(path.split("/")[1])
    sent = dict.fromkeys(("password", "new_password", "repeated", "time", "serial_number", "hostname"), "x")
    for token in ({}, {"csrf_token": "guessed"}):
        answer = visitor.http.post(path, data={**sent, **token})
        assert answer.status_code == 403, answer.text
        assert "did not come from a page of your session" in answer.text


def test_a_token_of_another_session_is_not_taken(visitor: Visitor, shared_box: BoxProcess) -> None:
    visitor.log_in("appliance")
    with Visitor(shared_box) as other:
        other.log_in("appliance")
        token = other.forms("/appliance/status/basics")["/appliance/status/clock"].fields["csrf_token"]
    answer = visitor.http.post("/appliance/status/clock", data={"time": "2001-01-01T00:00:00", "csrf_token": token})
    assert answer.status_code == 403
    assert "2001-01-01" not in visitor.look("/appliance/status/basics").text


def test_the_log_in_form_of_another_browser_is_not_taken(visitor: Visitor, shared_box: BoxProcess) -> None:
    with Visitor(shared_box) as other:
        token = other.forms("/login/log-in")["/login/log-in"].fields["csrf_token"]
    sent = {"username": "admin", "password": ADMIN_PASSWORD, "csrf_token": token}
    assert visitor.http.post("/login/log-in", data=sent).status_code == 403  # no cookie of its own
    visitor.look("/login/log-in")
    assert visitor.http.post("/login/log-in", data=sent).status_code == 403  # another cookie
    assert heading(visitor.look("/login")) == "Log in"


def test_logging_out_ends_the_session_on_the_box_too(visitor: Visitor) -> None:
    visitor.log_in("appliance")
    cookie = visitor.cookie("appliance")
    assert cookie
    assert "You are logged out." in visitor.submit("/appliance", "/appliance/log-out").text
    assert visitor.cookie("appliance") is None
    visitor.http.cookies.set("appliance_session", cookie, path="/appliance")
    assert heading(visitor.look("/appliance")) == "Log in"


def test_a_session_ends_after_half_an_hour_of_idleness(visitor: Visitor, shared_box: BoxProcess) -> None:
    visitor.log_in("appliance")

    def idle(seconds: float) -> str:
        with closing(shared_box.database()) as database:
            database.execute("UPDATE web_sessions SET used = used - ?", (seconds,))
        return heading(visitor.look("/appliance"))

    assert idle(1700) == "Basics"
    assert idle(1900) == "Log in"


def test_every_answer_forbids_scripts_frames_and_caches(visitor: Visitor) -> None:
    visitor.log_in("appliance")
    answers = [visitor.http.get(path) for path in ("/appliance/status/basics", "/appliance/log-in", "/login/users")]
    answers.append(visitor.http.post("/appliance/status/clock"))
    for answer in answers:
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "<script" not in answer.text
        assert "style=" not in answer.text


def test_a_stranger_learns_neither_versions_nor_serial_number(visitor: Visitor) -> None:
    for path in ("/appliance", "/login", "/"):
        text = visitor.look(path).text
        assert "3.3.2" not in text
        assert "Bomgar" not in text
        assert "RB-PAGES-1" not in text


def test_what_was_typed_is_shown_as_text_never_as_markup(visitor: Visitor) -> None:
    answer = visitor.log_in("login", username='"><script>alert(1)</script>', password="wrong")
    assert answer.status_code == 401
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_repeated_failures_lock_the_account_even_for_the_right_password(box: BoxProcess) -> None:
    with Visitor(box) as visitor:
        for _ in range(5):
            assert visitor.log_in("appliance", password="wrong").status_code == 401
        answer = visitor.log_in("appliance")
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 30
        assert "locked" in answer.text
        assert visitor.cookie("appliance") is None
        assert heading(visitor.log_in("login")) == "Information"  # another account


def test_the_factory_password_opens_one_page_only(new_box: BoxProcess) -> None:
    with Visitor(new_box) as visitor:
        assert heading(visitor.log_in("appliance", password="password")) == "Choose a new password first"
        for path in [path for path in PAGES if path.startswith("/appliance")]:
            assert heading(visitor.look(path)) == "Choose a new password first", path
        token = visitor.forms("/appliance/password")["/appliance/password"].fields["csrf_token"]
        visitor.http.post("/appliance/networking/settings", data={"hostname": "taken.example", "csrf_token": token})

        page = "/appliance/password"
        for new, repeated, reason in (
            ("password", "password", "at least 12 characters"),
            (ADMIN_PASSWORD, "something else", "not the same"),
        ):
            answer = visitor.submit(page, page, password="password", new_password=new, repeated=repeated)
            assert answer.status_code == 422
            assert reason in answer.text

        answer = visitor.submit(page, page, password="password", new_password=ADMIN_PASSWORD, repeated=ADMIN_PASSWORD)
        assert "The password was changed." in answer.text
        assert heading(answer) == "Basics"
        assert "taken.example" not in answer.text
        assert OWN in visitor.look("/appliance/networking/ip-configuration").text

    with Visitor(new_box) as visitor:
        assert visitor.log_in("appliance", password="password").status_code == 401
        assert heading(visitor.log_in("appliance")) == "Basics"


def test_a_box_without_a_site_package_has_no_support_site(new_box: BoxProcess) -> None:
    with Visitor(new_box) as visitor:
        answer = visitor.look("/login")
        assert answer.status_code == 404
        assert "no site package yet" in answer.text
        assert visitor.look("/").url.path == "/appliance/log-in"


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def test_a_browser_is_shown_a_page_where_there_is_none(new_box: BoxProcess) -> None:
    with Visitor(new_box) as visitor:
        for path in ("/nope", "/appliance/nope", "/login/nope"):
            answer = visitor.http.get(path, headers=BROWSER)
            assert (answer.status_code, heading(answer)) == (404, "There is no such page")
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        wrong = visitor.http.get("/appliance/support/updates/check", headers=BROWSER)
        assert (wrong.status_code, wrong.headers["Allow"]) == (405, "POST")
        assert heading(wrong)


def test_a_program_is_told_in_json_where_there_is_nothing(new_box: BoxProcess) -> None:
    with Visitor(new_box) as visitor:
        for accept in ("", "*/*", "application/json", "text/html;q=0.5, application/json"):
            answer = visitor.http.get("/nope", headers={"Accept": accept})
            assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
        unknown = visitor.http.get("/api/v1/nope", headers=BROWSER)
        assert (unknown.status_code, unknown.json()["error"]) == (401, "access_denied"), (
            "in JSON, and not what there is"
        )
