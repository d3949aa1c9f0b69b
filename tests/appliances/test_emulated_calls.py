"""The calls that a reset box is asked are all there are: by the documentation, and by the box's own document."""

import re
from pathlib import Path

from tests.appliances.conftest import Reach
from tests.emulator.appliance.box_process import CLIENT_ID, CLIENT_SECRET, SITE, BoxProcess
from toolkit.appliances.emulated_calls import CHANGING, GIVING

KNOWN = {(call.method, call.path) for call in GIVING} | CHANGING


def documented() -> set[tuple[str, str]]:
    """Every call of the documentation's table and of its first paragraphs; a path may follow another of its method."""
    text = Path("docs/appliance-api.md").read_text(encoding="utf-8").partition("**Changes of the network")[0]
    calls = {(method, path) for method, path in re.findall(r"`(GET|PUT|POST|PATCH|DELETE) (/[^`\s]+)`", text)}
    calls |= {("POST", path) for path in re.findall(r"^\| `POST [^`]+`, `(/[^`]+)`", text, re.MULTILINE)}
    return calls | {("GET", path) for path in re.findall(r"served at\s+`(/api/v1/openapi.json)`", text)}


def test_every_documented_call_is_in_one_of_the_two_tables() -> None:
    assert documented() == KNOWN
    assert not {(call.method, call.path) for call in GIVING} & CHANGING


def test_every_call_that_the_box_itself_names_is_one_of_them(shared_box: BoxProcess) -> None:
    document = shared_box.anonymous().get("/api/v1/openapi.json").json()
    named = {
        (method.upper(), re.sub(r"\{(address|certificate|update|job|change|user)_id\}", "{id}", path))
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert named == KNOWN - {("GET", "/api/v1/openapi.json")}


def test_nothing_is_asked_with_a_placeholder() -> None:
    assert [path for call in GIVING for path in call.paths if "{" in path] == []


def test_a_box_in_use_gives_its_account_much_and_strangers_nothing_and_is_not_changed(
    shared_box: BoxProcess, reach: Reach
) -> None:
    api = shared_box.api()
    before = api.get("/api/v1/audit").json()
    driver = reach(shared_box)
    driver.status()  # has a token
    exposure = driver.exposure((SITE,))
    by_nobody = [each for each in exposure.shown if each.caller == "nobody" and each.call.startswith("GET /api/")]
    assert {each.status for each in by_nobody if each.kind != "open"} == {401}
    for caller in ("the old token", "the old account"):
        given = {each.kind for each in exposure.shown if each.caller == caller and each.status == 200}
        assert given >= {"status", "network", "accounts", "certificates", "tls", "records", "content"}
    assert (exposure.old_account_known, exposure.default_password) == (True, "already-replaced")
    assert any(each.kind == "site-page" and each.status == 200 for each in exposure.shown)
    told = api.get("/api/v1/audit").json()[len(before) :]
    assert {line["action"] for line in told} <= {"download-backup", "export-certificate"}
    assert CLIENT_SECRET not in exposure.model_dump_json()
    assert CLIENT_ID in exposure.model_dump_json(), "what the account is given is seen"
