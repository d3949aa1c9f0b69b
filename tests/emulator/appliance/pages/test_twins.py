"""Everything the pages do is in the automation API too: no form and no page is without its call."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from tests.emulator.appliance.box_process import in_use_order
from tests.emulator.appliance.quiet_box import quiet_box
from toolkit.emulator.appliance.api.application import application
from toolkit.emulator.appliance.pages import PARTS

_APPLIANCE, _LOGIN, _API = "/appliance", "/login", "/api/v1"
_NETWORKING, _CERTIFICATES = f"{_APPLIANCE}/networking", f"{_APPLIANCE}/security/certificates"
_UPDATES, _SOFTWARE, _USERS = f"{_APPLIANCE}/support/updates", f"{_LOGIN}/management/software", f"{_LOGIN}/users"

DONE: dict[str, tuple[str, ...]] = {
    f"{_APPLIANCE}/log-in": ("POST /oauth2/token",),
    f"{_APPLIANCE}/log-out": ("POST /oauth2/revoke",),
    f"{_APPLIANCE}/password": (f"POST {_API}/setup/password", f"PUT {_API}/passwords/{{interface}}"),
    f"{_LOGIN}/log-in": ("POST /oauth2/token",),
    f"{_LOGIN}/log-out": ("POST /oauth2/revoke",),
    f"{_LOGIN}/password": (f"PUT {_API}/passwords/{{interface}}",),
    f"{_APPLIANCE}/status/clock": (f"PUT {_API}/clock",),
    f"{_APPLIANCE}/status/{{deed}}": (
        f"POST {_API}/power/reboot",
        f"POST {_API}/power/shut-down",
        f"POST {_API}/reset",
    ),
    f"{_NETWORKING}/settings": (f"PUT {_API}/network", f"PUT {_API}/network/changes/{{change_id}}"),
    f"{_NETWORKING}/changes/{{change_id}}/confirm": (f"POST {_API}/network/changes/{{change_id}}/confirm",),
    f"{_NETWORKING}/changes/{{change_id}}/revert": (f"POST {_API}/network/changes/{{change_id}}/revert",),
    f"{_NETWORKING}/addresses": (f"POST {_API}/network/addresses",),
    f"{_NETWORKING}/addresses/{{address_id}}": (f"PATCH {_API}/network/addresses/{{address_id}}",),
    f"{_NETWORKING}/addresses/{{address_id}}/delete": (f"DELETE {_API}/network/addresses/{{address_id}}",),
    f"{_CERTIFICATES}/import": (f"POST {_API}/certificates/import",),
    f"{_CERTIFICATES}/{{certificate_id}}/export": (f"POST {_API}/certificates/{{certificate_id}}/export",),
    f"{_CERTIFICATES}/{{certificate_id}}/addresses": (f"PUT {_API}/certificates/{{certificate_id}}/addresses",),
    f"{_CERTIFICATES}/{{certificate_id}}/delete": (f"DELETE {_API}/certificates/{{certificate_id}}",),
    f"{_UPDATES}/check": (f"POST {_API}/updates/check",),
    f"{_UPDATES}/{{update_id}}/eula": (f"POST {_API}/updates/{{update_id}}/eula",),
    f"{_UPDATES}/{{update_id}}/install": (f"POST {_API}/updates/{{update_id}}/install",),
    _USERS: (f"POST {_API}/users",),
    f"{_USERS}/{{user_id}}/disable": (f"POST {_API}/users/{{user_id}}/disable",),
    f"{_USERS}/{{user_id}}/enable": (f"POST {_API}/users/{{user_id}}/enable",),
    f"{_SOFTWARE}/backup": (f"POST {_API}/backup",),
    f"{_SOFTWARE}/restore": (f"POST {_API}/restore",),
}
"""What each form does, and the calls that do it."""

SHOWN: dict[str, tuple[str, ...]] = {
    f"{_APPLIANCE}/status/basics": (f"GET {_API}/status",),
    f"{_APPLIANCE}/reset": (f"GET {_API}/reset",),
    f"{_NETWORKING}/ip-configuration": (f"GET {_API}/network", f"GET {_API}/network/changes/{{change_id}}"),
    _CERTIFICATES: (f"GET {_API}/certificates",),
    f"{_CERTIFICATES}/{{certificate_id}}": (f"GET {_API}/certificates",),
    _UPDATES: (f"GET {_API}/updates",),
    f"{_UPDATES}/{{update_id}}/eula": (f"GET {_API}/updates/{{update_id}}/eula",),
    f"{_UPDATES}/jobs/{{job_id}}": (f"GET {_API}/jobs/{{job_id}}",),
    f"{_LOGIN}/status/information": (f"GET {_API}/status", f"GET {_API}/active-sessions"),
    _USERS: (f"GET {_API}/settings/{{kind}}",),
}
"""What each page shows, and the calls that tell it."""

ONLY_PAPER = {
    *(_APPLIANCE, f"{_APPLIANCE}/log-in", f"{_APPLIANCE}/password", _LOGIN, f"{_LOGIN}/log-in", f"{_LOGIN}/password"),
    f"{_APPLIANCE}/status/{{deed}}",
    f"{_NETWORKING}/addresses/{{address_id}}/delete",
    f"{_CERTIFICATES}/{{certificate_id}}/delete",
    f"{_UPDATES}/{{update_id}}/install",
    f"{_USERS}/{{user_id}}/enable",
    _SOFTWARE,
    *("/", "/assets/pages.css", "/assets/icon.svg"),
}
"""Empty forms, questions whether one is sure, the front door and the paint."""


def _routes(method: str) -> Iterator[str]:
    for prefix, part in PARTS:
        assert isinstance(part, APIRouter)
        for route in part.routes:
            assert isinstance(route, APIRoute)
            if route.methods == {method}:
                yield prefix + route.path


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Every call of the OpenAPI document."""
    with quiet_box(tmp_path_factory.mktemp("box") / "disk", in_use_order()) as box:
        document: dict[str, Any] = application(box).openapi()
    return {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}


def test_every_form_has_its_call() -> None:
    assert len([*_routes("GET"), *_routes("POST")]) == sum(len(part.routes) for _, part in PARTS)
    assert sorted(_routes("POST")) == sorted(DONE)


def test_every_page_that_shows_something_has_its_call() -> None:
    assert not SHOWN.keys() & ONLY_PAPER
    assert sorted(_routes("GET")) == sorted({*SHOWN, *ONLY_PAPER})


def test_the_calls_are_there(calls: set[str]) -> None:
    assert {call for twins in (*DONE.values(), *SHOWN.values()) for call in twins} <= calls
