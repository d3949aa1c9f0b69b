"""Calls about who may do what: tokens, first boot, passwords and API accounts."""

from typing import Annotated

from fastapi import APIRouter, Form, Path, Response

from toolkit.emulator.appliance.accounts import WebInterface
from toolkit.emulator.appliance.api.access import (
    FOR_ACCOUNTS,
    Actor,
    Admin,
    Anybody,
    ApiRoute,
    Client,
    Peer,
    TheBox,
    WhoseAccount,
    refusals,
)
from toolkit.emulator.appliance.api.messages import ClientSecret, NewPassword, ReplacingPassword, TokenAnswer
from toolkit.emulator.appliance.facts import BoxAccounts
from toolkit.emulator.appliance.refusal import Refusal, invalid

router = APIRouter(route_class=ApiRoute)


@router.post(
    "/oauth2/token",
    responses=refusals(
        s400="unsupported_grant_type", s401="invalid_client", s429="locked_out", s503="installing, resetting"
    ),
)
def token(box: TheBox, peer: Peer, client: Client, grant_type: Annotated[str, Form()] = "") -> TokenAnswer:
    """An access token for an API account (RFC 6749 section 4.4); the client as HTTP Basic or in the form."""
    box.refuse_if_resetting()
    if grant_type != "client_credentials":
        box.accounts.check_client(*client, peer)
        raise Refusal(400, "unsupported_grant_type", "The only grant type is client_credentials.")
    access_token, seconds = box.accounts.issue_token(*client, peer)
    return TokenAnswer(access_token=access_token, expires_in=seconds)


@router.post(
    "/oauth2/revoke",
    response_class=Response,
    responses=refusals(s401="invalid_client", s429="locked_out", s503="installing, resetting"),
)
def revoke(box: TheBox, peer: Peer, client: Client, token: Annotated[str, Form()] = "") -> Response:
    """Ends one of the client's own tokens (RFC 7009); the client as for a token."""
    box.refuse_if_resetting()
    if not token:
        box.accounts.check_client(*client, peer)
        raise invalid("token: Field required.")
    box.accounts.revoke_token(*client, token, peer)
    return Response()


@router.post(
    "/api/v1/setup/password",
    status_code=204,
    response_class=Response,
    responses=refusals(
        s401="invalid_credentials", s409="already_set_up", s422="weak_password, invalid_request", s429="locked_out"
    ),
)
def set_up_password(box: TheBox, _: Anybody, peer: Peer, body: NewPassword) -> None:
    """First boot: replaces the factory password; everything else waits for that. Needs no account."""
    box.refuse_if_busy()
    box.accounts.set_up_password(body.username, body.password, body.new_password, peer)


@router.get("/api/v1/accounts", responses=FOR_ACCOUNTS)
async def accounts(box: TheBox, _: Actor) -> BoxAccounts:
    """The accounts of the box itself, by name."""
    return box.accounts.names()


@router.put(
    "/api/v1/passwords/{interface}",
    status_code=204,
    response_class=Response,
    responses=refusals(
        s401="invalid_credentials",
        s403="password_change_required",
        s422="weak_password, invalid_request",
        s429="locked_out",
        s503="installing, resetting",
    ),
)
def replace_password(box: TheBox, username: WhoseAccount, interface: WebInterface, body: ReplacingPassword) -> None:
    """Replaces the password of an account of `/appliance` or `/login`; the account as HTTP Basic."""
    box.accounts.replace_password(interface, username, body.new_password)


@router.put(
    "/api/v1/api-accounts/{client_id}",
    status_code=204,
    response_class=Response,
    responses={
        201: {"description": "It was made; 204: it was replaced."},
        **refusals(
            s401="invalid_credentials",
            s403="password_change_required",
            s422="weak_secret, invalid_request",
            s429="locked_out",
            s503="installing, resetting",
        ),
    },
)
def put_api_account(
    box: TheBox,
    by: Admin,
    client_id: Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")],
    body: ClientSecret,
) -> Response:
    """Makes an API account, or gives it a new secret; its old tokens end."""
    return Response(status_code=201 if box.accounts.put_api_account(by, client_id, body.client_secret) else 204)
