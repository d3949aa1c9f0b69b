"""A box that knows the recorded messages of `fixtures/appliance-api` and nothing else."""

import json
import re
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.emulator.appliance.box_process import ADMIN_PASSWORD, CLIENT_ID, CLIENT_SECRET
from toolkit.appliances.connection import BoxConnection
from toolkit.appliances.emulated import EmulatedAppliance

FIXTURES = Path(__file__).parents[2] / "fixtures" / "appliance-api"
SILENCE = "silence"
"""In the place of a message: from here on nothing answers."""

_WITHOUT_ACCOUNT = {("GET", "/check_health"), ("GET", "/api/v1/reset")}
"""Asked without a token, though the recording had one: docs/appliance-api.md says that none is needed."""


def message(name: str) -> dict[str, Any]:
    """One recorded call."""
    content: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return content


def answered(name: str) -> Any:
    """What the box said then."""
    return message(name)["response"]["body"]


class RecordedBox(httpx.BaseTransport):
    """Expects the named calls in this order, each as it was recorded, and answers what was answered then."""

    def __init__(self, *names: str) -> None:
        self._left = deque(names)
        self._token = ""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        assert self._left, f"nothing more was to be asked: {request.method} {request.url}"
        if self._left[0] == SILENCE:
            raise httpx.ConnectError("[Errno 111] Connection refused", request=request)
        name = self._left.popleft()
        recorded = message(name)
        _check_target(name, request, recorded["request"])
        self._check_account(request, recorded["request"]["headers"])
        _check_body(name, request, recorded["request"])
        answer = recorded["response"]
        if name.startswith("token") and answer["status"] == 200:
            self._token = answer["body"]["access_token"]
        return httpx.Response(answer["status"], headers=answer["headers"], content=_content(answer["body"]))

    def _check_account(self, request: httpx.Request, headers: dict[str, str]) -> None:
        given, expected = request.headers.get("authorization"), headers.get("authorization")
        if (request.method, request.url.path) in _WITHOUT_ACCOUNT:
            expected = None
        elif expected and expected.startswith("Bearer "):
            expected = f"Bearer {self._token}"
        assert given == expected, request.url

    def assert_done(self) -> None:
        """Every call has been made."""
        assert set(self._left) <= {SILENCE}, f"never asked: {list(self._left)}"


def _check_target(name: str, request: httpx.Request, recorded: dict[str, Any]) -> None:
    target = (request.method, request.url.raw_path.decode())
    assert target == (recorded["method"], recorded["path"]), name
    for header in ("range", "content-sha256"):
        assert request.headers.get(header) == recorded["headers"].get(header), (name, header)
    kind = request.headers.get("content-type", "").partition(";")[0]
    assert kind == recorded["headers"].get("content-type", ""), name


def _check_body(name: str, request: httpx.Request, recorded: dict[str, Any]) -> None:
    expected, content = recorded["body"], request.content
    if expected is None:
        assert content == b"", name
    elif not isinstance(expected, str):
        assert json.loads(content) == expected, name
    elif size := re.fullmatch(r"\((\d+) bytes\)", expected):
        assert len(content) == int(size[1]), name
        assert request.headers.get("content-length") == size[1], name
    elif form := re.fullmatch(r"\(file: .+; passphrase: (.+)\)", expected):
        assert content.count(b'name="file"; filename=') == 1, name
        passphrase = re.search(rb'name="passphrase"\r\n\r\n(.*?)\r\n', content)
        assert (passphrase[1].decode() if passphrase else "none") == form[1], name
    else:
        assert content.decode() == expected, name


def _content(body: Any) -> bytes:
    if body is None:
        return b""
    if not isinstance(body, str):
        return json.dumps(body).encode()
    size = re.fullmatch(r"\((\d+) bytes\)", body)
    return (b"recorded" * (int(size[1]) // 8 + 1))[: int(size[1])] if size else body.encode()


class Replay:
    """The driver at such a box; leaving the block checks that everything was asked."""

    def __init__(
        self, *names: str, secret: str = CLIENT_SECRET, password: str = ADMIN_PASSWORD, read_only: bool = False
    ) -> None:
        self.box = RecordedBox(*names)
        self.pins = {"0" * 64}
        self._connection = BoxConnection(
            "old",
            "10.77.0.11",
            443,
            self.pins,
            client_id=CLIENT_ID,
            client_secret=lambda: secret,
            read_only=read_only,
            sleep=lambda _: None,
            wrap_transport=lambda _: self.box,
        )
        self._driver = EmulatedAppliance(
            self._connection,
            client_id=CLIENT_ID,
            client_secret=lambda: secret,
            admin_password=lambda: password,
            sleep=lambda _: None,
        )

    def __enter__(self) -> EmulatedAppliance:
        return self._driver

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        if kind is None:
            self.box.assert_done()

    @classmethod
    def of(cls, *names: str) -> Self:
        """After signing in."""
        return cls("token", *names)
