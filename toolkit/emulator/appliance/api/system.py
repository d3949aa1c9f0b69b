"""Calls about the box itself: health, tokens, first boot, status, clock, jobs, audit, power and reset."""

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse

from toolkit.emulator.appliance.api.access import (
    FOR_ACCOUNTS,
    Actor,
    ActorAnyTime,
    Admin,
    Peer,
    TheBox,
    WhoMayShutDown,
    basic_credentials,
    refusals,
)
from toolkit.emulator.appliance.api.messages import (
    ClientSecret,
    ClockAnswer,
    ClockTime,
    NewPassword,
    ResetRequest,
    TokenAnswer,
)
from toolkit.emulator.appliance.facts import AuditEntry, Job, ResetStarted, ResetStatus, Status
from toolkit.emulator.appliance.refusal import Refusal

router = APIRouter()


@router.get(
    "/check_health",
    response_class=PlainTextResponse,
    responses={500: {"content": {"text/plain": {}}, "description": "Why the box is not in service."}},
)
async def check_health(box: TheBox) -> PlainTextResponse:
    """For load balancers: `OK`, or why not. Needs no account."""
    healthy, words = box.health()
    return PlainTextResponse(words, status_code=200 if healthy else 500)


@router.post(
    "/oauth2/token",
    responses=refusals(
        s400="unsupported_grant_type", s401="invalid_client", s429="locked_out", s503="installing, resetting"
    ),
)
def token(
    request: Request,
    box: TheBox,
    peer: Peer,
    *,
    grant_type: Annotated[str, Form()] = "",
    client_id: Annotated[str, Form()] = "",
    client_secret: Annotated[str, Form()] = "",
) -> TokenAnswer:
    """An access token for an API account (RFC 6749 section 4.4); the client as HTTP Basic or in the form."""
    box.refuse_if_resetting()
    if grant_type != "client_credentials":
        raise Refusal(400, "unsupported_grant_type", "The only grant type is client_credentials.")
    credentials = basic_credentials(request) or (client_id, client_secret)
    access_token, seconds = box.accounts.issue_token(*credentials, peer)
    return TokenAnswer(access_token=access_token, expires_in=seconds)


@router.post(
    "/api/v1/setup/password",
    status_code=204,
    response_class=Response,
    responses=refusals(
        s401="invalid_credentials", s409="already_set_up", s422="weak_password, invalid_request", s429="locked_out"
    ),
)
def set_up_password(box: TheBox, peer: Peer, body: NewPassword) -> None:
    """First boot: replaces the factory password; everything else waits for that. Needs no account."""
    box.refuse_if_busy()
    box.accounts.set_up_password(body.username, body.password, body.new_password, peer)


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


@router.get("/api/v1/status", responses=FOR_ACCOUNTS)
async def status(box: TheBox, _: ActorAnyTime) -> Status:
    """*Status > Basics*; answered during an installation as well."""
    return box.status()


@router.put("/api/v1/clock", responses={**FOR_ACCOUNTS, **refusals(s422="invalid_request")})
async def set_clock(box: TheBox, by: Actor, body: ClockTime) -> ClockAnswer:
    """Sets the box's clock; it runs on from there."""
    return ClockAnswer(time=box.set_clock(by, body.time))


@router.get("/api/v1/jobs/{job_id}", responses={**FOR_ACCOUNTS, **refusals(s404="not_found")})
async def job(box: TheBox, _: ActorAnyTime, job_id: str) -> Job:
    """How far a job is; answered during an installation as well."""
    return box.jobs.get(job_id)


@router.get("/api/v1/audit", responses=FOR_ACCOUNTS)
async def audit(box: TheBox, _: Actor, after: Annotated[int, Query(ge=0)] = 0) -> tuple[AuditEntry, ...]:
    """Every call that changed something, oldest first; at most 1000, go on with `after`."""
    return box.audit(after)


@router.post(
    "/api/v1/power/reboot",
    status_code=202,
    response_class=Response,
    responses={**FOR_ACCOUNTS, **refusals(s409="conflict")},
)
async def reboot(box: TheBox, by: Actor) -> None:
    """Starts again once this answer is out."""
    box.power.reboot(by)


@router.post(
    "/api/v1/power/shut-down",
    status_code=202,
    response_class=Response,
    responses={**FOR_ACCOUNTS, **refusals(s409="conflict")},
)
def shut_down(box: TheBox, by: WhoMayShutDown) -> None:
    """Goes off once this answer is out; at first boot and after a reset the factory account may ask for it too."""
    box.power.shut_down(by)


@router.post(
    "/api/v1/reset",
    status_code=202,
    responses={**FOR_ACCOUNTS, **refusals(s409="serial_number, conflict", s422="invalid_request")},
)
async def reset(box: TheBox, by: Actor, body: ResetRequest) -> ResetStarted:
    """Destroys state, keys and recordings; the accounts go too, so that only GET /api/v1/reset tells how far it is."""
    return box.power.reset(by, body.serial_number)


@router.get("/api/v1/reset")
async def reset_status(box: TheBox) -> ResetStatus:
    """How far a factory reset is. Needs no account."""
    return box.power.reset_status()
