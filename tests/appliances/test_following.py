"""A box that dies with a job under way is waited for, for minutes and not for an hour."""

import httpx
import pytest

from tests.step_context import JumpingClock
from toolkit.appliances.connection import BoxConnection
from toolkit.appliances.emulated import EmulatedAppliance
from toolkit.model.errors import UnreachableError


class DyingBox(httpx.BaseTransport):
    """Begins an installation and is never heard of again."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        match request.method, request.url.path:
            case "POST", "/oauth2/token":
                return httpx.Response(200, json={"access_token": "t", "expires_in": 3600, "token_type": "Bearer"})
            case "POST", "/api/v1/updates/Bomgar-12.2.0/install":
                return httpx.Response(202, json={"id": 7})
            case "GET", "/api/v1/jobs/7":
                raise httpx.ConnectError("[Errno 113] No route to host", request=request)
        raise AssertionError(f"this was not to be asked: {request.method} {request.url}")


def test_a_box_that_dies_while_it_installs_is_given_up_after_five_minutes() -> None:
    clock = JumpingClock()
    connection = BoxConnection(
        "new",
        "10.77.0.22",
        443,
        set(),
        client_id="rebox",
        client_secret=lambda: "s",
        wrap_transport=lambda _: DyingBox(),
    )
    box = EmulatedAppliance(
        connection, client_id="rebox", client_secret=lambda: "s", sleep=clock.sleep, monotonic=clock.monotonic
    )
    with pytest.raises(UnreachableError, match="not answered for 300 s, with a job under way") as told:
        box.install_update("Bomgar-12.2.0", lambda _fraction, _phase: None)
    assert told.value.why == "No route to host"
    assert 300 < clock.slept < 310
    box.close()
