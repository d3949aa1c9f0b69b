"""Who is calling: tokens, admin accounts and the states in which nobody is served."""

from base64 import b64decode
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Annotated, Any, cast

from fastapi import Depends, Form, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBasic, OAuth2
from fastapi.security.utils import get_authorization_scheme_param
from starlette.concurrency import run_in_threadpool

from toolkit.emulator.appliance.accounts import WebInterface
from toolkit.emulator.appliance.api.messages import ErrorAnswer
from toolkit.emulator.appliance.box import Box
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.emulator.appliance.states import BoxState

_oauth = OAuth2(flows={"clientCredentials": {"tokenUrl": "/oauth2/token", "scopes": {}}}, auto_error=False)
_basic = HTTPBasic(auto_error=False, description="The admin account of /appliance.")
_account = HTTPBasic(auto_error=False, scheme_name="Account", description="An account of /appliance or of /login.")


async def the_box(request: Request) -> Box:
    """The box this application belongs to."""
    # async, like everything that is quick: a plain function would be called in a thread, twice as long as the rest
    return cast(Box, request.app.state.box)


TheBox = Annotated[Box, Depends(the_box)]


def peer_of(request: Request) -> str:
    """The address a call comes from."""
    return request.client.host if request.client else "unknown"


Peer = Annotated[str, Depends(peer_of)]


def caller(request: Request) -> Any:
    """What the route's check has found out, before anything of the body was read."""
    return request.state.caller


def any_time(request: Request, _scheme: Annotated[Any, Depends(_oauth)]) -> str:
    """The actor behind the token, also while an update is being installed; 401, 503 `resetting`."""
    return str(caller(request))


def in_service(request: Request, _scheme: Annotated[Any, Depends(_oauth)]) -> str:
    """The actor behind the token, on a box that is in service; 401, 503."""
    return str(caller(request))


def admin(request: Request, _scheme: Annotated[Any, Depends(_basic)]) -> str:
    """The actor behind a Basic admin account whose password has been changed; 401, 403, 429, 503."""
    return str(caller(request))


def whose_account(request: Request, _scheme: Annotated[Any, Depends(_account)]) -> str:
    """The user name of an account of either web interface, whose password was right; 401, 403, 429, 503."""
    return str(caller(request))


def who_may_shut_down(
    request: Request, _oauth_scheme: Annotated[Any, Depends(_oauth)], _basic_scheme: Annotated[Any, Depends(_basic)]
) -> str:
    """An API account; at first boot and after a reset, when there are none, the factory account as well."""
    return str(caller(request))


async def client(
    request: Request, client_id: Annotated[str, Form()] = "", client_secret: Annotated[str, Form()] = ""
) -> tuple[str, str]:
    """An API account's id and secret, not looked at yet: as HTTP Basic, or in the form (RFC 6749 section 2.3.1)."""
    return basic_credentials(request) or (client_id, client_secret)


async def anybody() -> None:
    """Whoever calls: what the call gives is no secret, or what opens it stands in the body."""


def _box(request: Request) -> Box:
    return cast(Box, request.app.state.box)


def _named(request: Request) -> tuple[str, str]:
    credentials = basic_credentials(request)
    if credentials is None:  # nobody's failure: it locks no account
        raise Refusal(401, "invalid_credentials", "This call takes an account as HTTP Basic.")
    return credentials


async def check_any_time(request: Request) -> str:
    """The actor behind the token; 401, 503 `resetting`."""
    box = _box(request)
    box.refuse_if_resetting()
    scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
    return box.accounts.check_token(token if scheme.lower() == "bearer" else "")


async def _check_in_service(request: Request) -> str:
    actor = await check_any_time(request)
    _box(request).refuse_if_busy()
    return actor


async def _check_admin(request: Request) -> str:
    box = _box(request)
    box.refuse_if_busy()
    username, password = _named(request)
    return await run_in_threadpool(box.accounts.check_admin, username, password, peer_of(request))


async def _check_whose_account(request: Request) -> str:
    box = _box(request)
    box.refuse_if_busy()
    username, password = _named(request)
    # an interface that the box does not have is told only to whoever has an account
    interface: WebInterface = "login" if request.path_params.get("interface") == "login" else "appliance"
    await run_in_threadpool(box.accounts.check_account, interface, username, password, peer_of(request))
    return username


async def _check_who_may_shut_down(request: Request) -> str:
    box = _box(request)
    box.refuse_if_busy()
    credentials = basic_credentials(request)
    if credentials is not None and box.condition.state in (BoxState.FIRST_BOOT, BoxState.RESET_COMPLETE):
        check = partial(box.accounts.check_admin, *credentials, peer_of(request), factory_too=True)
        return await run_in_threadpool(check)
    return await check_any_time(request)


async def _check_nothing(request: Request) -> None:
    """What opens the call is in its body, or nothing has to."""


_CHECKS: dict[Callable[..., Any], Callable[[Request], Awaitable[Any]]] = {
    any_time: check_any_time,
    in_service: _check_in_service,
    admin: _check_admin,
    whose_account: _check_whose_account,
    who_may_shut_down: _check_who_may_shut_down,
    client: _check_nothing,
    anybody: _check_nothing,
}


class ApiRoute(APIRoute):
    """A call of the API: who is calling is found out first, then it is looked at what was sent.

    So nobody without an account learns what a call expects, or has the box keep a body.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wraps FastAPI's own handler; AssertionError for a route that does not say who may call it."""
        handle = super().get_route_handler()
        checks = [_CHECKS[one.call] for one in self.dependant.dependencies if one.call in _CHECKS]
        if len(checks) != 1:
            raise AssertionError(f"{self.path} says {len(checks)} times who may call it")

        async def answer(request: Request) -> Response:
            request.state.caller = await checks[0](request)
            response = await handle(request)
            response.headers.setdefault("Cache-Control", "no-store")
            response.headers.setdefault("X-Content-Type-Options", "nosniff")
            return response

        return answer


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """User name and password of a Basic header; None when there is none that can be read."""
    scheme, encoded = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return (name, password) if colon else None


Anybody = Annotated[None, Depends(anybody)]
Actor = Annotated[str, Depends(in_service)]
ActorAnyTime = Annotated[str, Depends(any_time)]
Admin = Annotated[str, Depends(admin)]
Client = Annotated[tuple[str, str], Depends(client)]
WhoseAccount = Annotated[str, Depends(whose_account)]
WhoMayShutDown = Annotated[str, Depends(who_may_shut_down)]


def refusals(**by_status: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of the errors of a call: `s404="not_found"`, several codes with commas."""
    return {
        int(status.removeprefix("s")): {"model": ErrorAnswer, "description": f"`error` is one of: {codes}"}
        for status, codes in by_status.items()
    }


FOR_ACCOUNTS = refusals(s401="access_denied", s503="installing, resetting")
"""What every call with a token may be answered."""
