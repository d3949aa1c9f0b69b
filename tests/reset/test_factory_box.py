"""What a factory box looks like: each thing that may be left over is found, and what could not be seen is no pass."""

from typing import Any

import pytest
from pydantic import JsonValue

from toolkit.model.box import Exposure, Shown
from toolkit.model.verdict import Verdict
from toolkit.reset.factory_box import Before, judge_certificate, judge_exposure

ANNOUNCED, OLD, OTHER = "a" * 64, "b" * 64, "c" * 64
BEFORE = Before(ANNOUNCED, frozenset({OLD}), frozenset({"support.example.net", "10.77.0.2"}))
STATUS = {
    "state": "reset-complete",
    "site_hostname": None,
    "site_version": None,
    "records": {"users": 0, "teams": 0, "jump_clients": 0, "sessions": 0, "recordings": 0, "recording_bytes": 0},
    "active_sessions": 0,
}
NETWORK = {"addresses": [{"address": "10.77.0.21", "shared": False}], "routes": [], "ntp_servers": []}
ACCOUNTS = {"admins": [{"username": "admin", "must_change_password": True}], "api_accounts": []}


def shown(kind: Any, body: JsonValue, status: int = 200) -> Shown:
    return Shown(caller="nobody", call="GET /it", kind=kind, status=status, body=body)


def found(*answers: Shown, **fields: Any) -> list[tuple[Verdict, str]]:
    given: dict[str, Any] = {"old_account_known": False, "default_password": "must-be-replaced", **fields}
    findings = judge_exposure(Exposure(shown=answers, **given), BEFORE)
    return [(finding.verdict, finding.what) for finding in findings]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("status", STATUS),
        ("network", NETWORK),
        ("accounts", ACCOUNTS),
        ("tls", {"minimum_version": "TLSv1.2", "ciphers": []}),
        ("records", []),
        ("records", {"sessions": [], "next_after": None}),
        ("certificates", [{"sha256": ANNOUNCED}]),
        ("open", "OK"),
    ],
)
def test_factory_values_may_be_given_to_anybody(kind: str, body: JsonValue) -> None:
    assert found(shown(kind, body)) == []


@pytest.mark.parametrize("status", [401, 403, 404])
def test_to_be_refused_is_what_strangers_are_there_for(status: int) -> None:
    assert found(shown("status", {"error": "access_denied"}, status)) == []


@pytest.mark.parametrize(
    ("kind", "body", "left"),
    [
        ("status", {**STATUS, "state": "running"}, "the state 'running'"),
        ("status", {**STATUS, "site_hostname": "other.example.net"}, "a site_hostname"),
        ("status", {**STATUS, "records": {"users": 3, "teams": 0}}, "a count of users"),
        ("status", {**STATUS, "active_sessions": 1}, "active sessions"),
        ("network", {**NETWORK, "addresses": [{"address": "10.9.9.9", "shared": True}]}, "1 shared address"),
        ("network", {**NETWORK, "ntp_servers": ["10.0.0.1"]}, "ntp_servers"),
        ("accounts", {**ACCOUNTS, "api_accounts": ["rebox"]}, "API accounts"),
        ("accounts", {**ACCOUNTS, "admins": []}, "other admins than the factory's"),
        ("tls", {"ciphers": ["ECDHE"]}, "chosen ciphers"),
        ("records", [{"id": "1"}], "1 record"),
        ("records", {"sessions": [{}, {}]}, "2 records"),
        ("certificates", [{"sha256": ANNOUNCED}, {"sha256": OTHER}], "1 record"),
        ("content", "-----BEGIN CERTIFICATE-----", "content"),
        ("site-page", "<h1>Welcome</h1>", "a page of the site"),
        ("status", [], "an answer of an unknown form"),
        ("records", "x", "an answer of an unknown form"),
    ],
)
def test_whatever_is_left_is_found_and_named(kind: str, body: JsonValue, left: str) -> None:
    assert found(shown(kind, body)) == [(Verdict.FAILED, f"GET /it by nobody gives {left}")]


def test_the_sites_names_are_found_wherever_they_stand_even_in_a_refusal() -> None:
    for answer in (shown("status", {"message": "No account at SUPPORT.example.net."}, 401), shown("open", "10.77.0.2")):
        assert [verdict for verdict, _ in found(answer)] == [Verdict.FAILED]
    assert found(shown("open", "10.77.0.21 110.77.0.2 mysupport.example.net")) == []


def test_a_redirect_is_an_answer_of_pages_only() -> None:
    assert found(shown("site-page", "", 303)) == []
    assert found(shown("records", "", 303)) == [(Verdict.UNKNOWN, "GET /it by nobody is answered 303")]


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_an_answer_that_tells_nothing_is_no_pass(status: int) -> None:
    assert [verdict for verdict, _ in found(shown("records", {}, status))] == [Verdict.UNKNOWN]


def test_who_was_asked_nothing_has_shown_nothing() -> None:
    assert [verdict for verdict, _ in found()] == [Verdict.UNKNOWN]


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        ("taken-again", Verdict.FAILED),
        ("already-replaced", Verdict.FAILED),
        ("not-the-factorys", Verdict.FAILED),
        ("unknown", Verdict.UNKNOWN),
    ],
)
def test_the_factorys_password_has_to_be_replaced_by_another(seen: str, verdict: Verdict) -> None:
    assert [each for each, _ in found(shown("open", "OK"), default_password=seen)] == [verdict]


def test_an_account_that_still_signs_in_is_a_leftover() -> None:
    assert found(shown("open", "OK"), old_account_known=True) == [(Verdict.FAILED, "our API account still signs in")]


@pytest.mark.parametrize(
    ("served", "announced", "verdicts"),
    [
        (ANNOUNCED, ANNOUNCED, []),
        (OLD, ANNOUNCED, [Verdict.FAILED]),
        (OLD, OLD, [Verdict.FAILED]),
        (OTHER, ANNOUNCED, [Verdict.FAILED]),
        (OTHER, None, [Verdict.UNKNOWN]),
        (None, ANNOUNCED, [Verdict.UNKNOWN]),
    ],
)
def test_the_certificate_is_the_announced_one(
    served: str | None, announced: str | None, verdicts: list[Verdict]
) -> None:
    before = Before(announced, frozenset({OLD}))
    assert [finding.verdict for finding in judge_certificate(served, before)] == verdicts
