"""The running box still answers as was recorded, and its OpenAPI document tells the truth about it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.appliance.box_process import in_use_order
from tests.emulator.appliance.conversation import Message, converse, recorded
from tests.emulator.appliance.quiet_box import quiet_box
from toolkit.emulator.appliance.api.application import application

RECORDED = dict(recorded())
VOLATILE = {
    *("access_token", "time", "boot_id", "uptime_seconds", "finished", "not_before", "not_after", "sha256"),
    *("next_tls_sha256", "content-disposition", "retry-after"),
}
OF_THE_MOMENT = {*VOLATILE, "lsid", "start_time"}
"""For sessions in progress: those of the past are made from the seed."""
OF_A_CHANGE = {*VOLATILE, "asked", "seconds_left"}
"""Of network changes, which wait for a while."""
Document = dict[str, Any]


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Message]:
    return converse(tmp_path_factory.mktemp("boxes"))


@pytest.fixture(scope="module")
def openapi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Document]:
    with quiet_box(tmp_path_factory.mktemp("box") / "disk", in_use_order()) as box:
        yield application(box).openapi()


def _steady(value: Any, volatile: set[str], name: str = "") -> Any:
    """What must be the same each time: the kind of what differs by nature, and everything else itself."""
    if isinstance(value, dict):
        return {key: _steady(one, volatile, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_steady(one, volatile, name) for one in value]
    if name in volatile:
        return type(value).__name__
    if isinstance(value, str) and "-----BEGIN" in value:
        return re.findall("-----BEGIN ([A-Z ]+)-----", value)
    if isinstance(value, str):
        value = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "(time)", value)
        value = re.sub(r"[0-9a-f]{64}", "(hash)", value)
        return re.sub(r"for \d+ s", "for (n) s", value)
    return value


def test_nothing_is_recorded_that_is_not_said_any_more(spoken: dict[str, Message]) -> None:
    assert set(RECORDED) == set(spoken)


@pytest.mark.parametrize("name", RECORDED)
def test_the_box_still_answers_as_recorded(spoken: dict[str, Message], name: str) -> None:
    now, then = spoken[name], RECORDED[name]
    if name == "backup":  # sealed with fresh salt: the size differs by a few bytes
        now["response"]["body"] = then["response"]["body"]
    volatile = OF_THE_MOMENT if name.startswith("active-session") else VOLATILE
    volatile = OF_A_CHANGE if name.startswith("network-change-") else volatile
    assert _steady(now["response"], volatile) == _steady(then["response"], volatile)


def _operation(openapi: Document, message: Message) -> Document | None:
    path = message["request"]["path"].partition("?")[0]
    for template, operations in openapi["paths"].items():
        if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", template), path):
            operation: Document | None = operations.get(message["request"]["method"].lower())
            return operation
    return None


@pytest.mark.parametrize("name", [name for name in RECORDED if name not in ("unknown-path", "wrong-method")])
def test_every_answer_is_described_in_the_openapi_document(openapi: Document, name: str) -> None:
    message = RECORDED[name]
    operation = _operation(openapi, message)
    assert operation is not None
    status = message["response"]["status"]
    described = operation["responses"][str(status)]
    body = message["response"]["body"]
    if isinstance(body, dict | list):
        schema = described["content"]["application/json"]["schema"]
        _check(openapi, schema, json.loads(json.dumps(body)), name)
    if status >= 400 and "application/json" in described.get("content", {}):
        assert body["error"] in described["description"]


def _check(openapi: Document, schema: Document, value: Any, place: str) -> None:
    """As much of JSON Schema as the document uses for answers."""
    if "$ref" in schema:
        schema = openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        kinds = [one.get("type") for one in schema["anyOf"]]
        schema = schema["anyOf"][kinds.index("null") if value is None else 0]
        _check(openapi, schema, value, place)
        return
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        assert set(value) <= set(schema["properties"]), f"{place}: more than described"
        assert set(schema.get("required", ())) <= set(value), f"{place}: less than described"
        for name, one in value.items():
            _check(openapi, schema["properties"][name], one, f"{place}.{name}")
    if kind == "array":
        for one in value:
            _check(openapi, schema.get("items", {}), one, f"{place}[]")
    expected: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    if isinstance(kind, str) and kind in expected:
        assert isinstance(value, expected[kind]), f"{place}: {value!r} is no {kind}"
    assert value in schema.get("enum", [value]), f"{place}: {value!r} is none of {schema.get('enum')}"


def test_every_call_is_described_with_its_errors(openapi: Document) -> None:
    calls = {
        f"{method.upper()} {path}": operation
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    }
    assert len(calls) > 30
    for name, operation in calls.items():
        assert operation["description"], name
        assert any(status.startswith("2") for status in operation["responses"]), name
        if operation.get("security"):
            assert {"401", "503"} <= set(operation["responses"]), name


def test_the_contracts_page_names_every_call(openapi: Document) -> None:
    page = (Path(__file__).parents[3] / "docs" / "appliance-api.md").read_text(encoding="utf-8")
    page = re.sub(r"\{\w+\}", "{}", page)
    for path in openapi["paths"]:
        assert re.sub(r"\{\w+\}", "{}", path) in page, f"{path} is missing in docs/appliance-api.md"
