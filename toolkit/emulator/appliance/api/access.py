"""Who is calling: tokens, admin accounts and the states in which nobody is served."""

from base64 import b64decode
from typing import Annotated, Any, cast

from fastapi import Depends, Form, Request
from fastapi.security import HTTPBasic, OAuth2
from fastapi.security.utils import get_authorization_scheme_param

from toolkit.emulator.appliance.api.messages import ErrorAnswer
from toolkit.emulator.appliance.box import Box
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


async def any_time(request: Request, box: TheBox, _scheme: Annotated[Any, Depends(_oauth)]) -> str:
    """The actor behind the token, also while an update is being installed; 401, 503 `resetting`."""
    box.refuse_if_resetting()
    scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
    return box.accounts.check_token(token if scheme.lower() == "bearer" else "")


async def in_service(box: TheBox, actor: Annotated[str, Depends(any_time)]) -> str:
    """The actor behind the token, on a box that is in service; 401, 503."""
    box.refuse_if_busy()
    return actor


def admin(request: Request, box: TheBox, peer: Peer, _scheme: Annotated[Any, Depends(_basic)]) -> str:
    """The actor behind a Basic admin account whose password has been changed; 401, 403, 429, 503."""
    box.refuse_if_busy()
    username, password = basic_credentials(request) or ("", "")
    return box.accounts.check_admin(username, password, peer)


async def whose_account(request: Request, box: TheBox, _scheme: Annotated[Any, Depends(_account)]) -> tuple[str, str]:
    """User name and password of an account of either web interface, not looked at yet; 503."""
    box.refuse_if_busy()
    return basic_credentials(request) or ("", "")


async def client(
    request: Request, client_id: Annotated[str, Form()] = "", client_secret: Annotated[str, Form()] = ""
) -> tuple[str, str]:
    """An API account's id and secret, not looked at yet: as HTTP Basic, or in the form (RFC 6749 section 2.3.1)."""
    return basic_credentials(request) or (client_id, client_secret)


def who_may_shut_down(
    request: Request,
    box: TheBox,
    peer: Peer,
    _oauth_scheme: Annotated[Any, Depends(_oauth)],
    _basic_scheme: Annotated[Any, Depends(_basic)],
) -> str:
    """An API account; at first boot and after a reset, when there are none, the factory account as well."""
    box.refuse_if_busy()
    credentials = basic_credentials(request)
    if credentials is not None and box.condition.state in (BoxState.FIRST_BOOT, BoxState.RESET_COMPLETE):
        return box.accounts.check_admin(*credentials, peer, factory_too=True)
    scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
    return box.accounts.check_token(token if scheme.lower() == "bearer" else "")


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


Actor = Annotated[str, Depends(in_service)]
ActorAnyTime = Annotated[str, Depends(any_time)]
Admin = Annotated[str, Depends(admin)]
Client = Annotated[tuple[str, str], Depends(client)]
WhoseAccount = Annotated[tuple[str, str], Depends(whose_account)]
WhoMayShutDown = Annotated[str, Depends(who_may_shut_down)]


def refusals(**by_status: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of the errors of a call: `s404="not_found"`, several codes with commas."""
    return {
        int(status.removeprefix("s")): {"model": ErrorAnswer, "description": f"`error` is one of: {codes}"}
        for status, codes in by_status.items()
    }


FOR_ACCOUNTS = refusals(s401="access_denied", s503="installing, resetting")
"""What every call with a token may be answered."""
