"""Calls about the box itself: health, status, clock, jobs, audit, power and reset."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse

from toolkit.emulator.appliance.api.access import (
    FOR_ACCOUNTS,
    Actor,
    ActorAnyTime,
    Anybody,
    ApiRoute,
    TheBox,
    WhoMayShutDown,
    refusals,
)
from toolkit.emulator.appliance.api.messages import ClockAnswer, ClockTime, ResetRequest, WantedTls
from toolkit.emulator.appliance.facts import AuditEntry, Job, ResetStarted, ResetStatus, Status, TlsSettings

router = APIRouter(route_class=ApiRoute)


@router.get(
    "/check_health",
    response_class=PlainTextResponse,
    responses={500: {"content": {"text/plain": {}}, "description": "Why the box is not in service."}},
)
async def check_health(box: TheBox, _: Anybody) -> PlainTextResponse:
    """For load balancers: `OK`, or why not. Needs no account."""
    healthy, words = box.health()
    return PlainTextResponse(words, status_code=200 if healthy else 500)


@router.get("/api/v1/status", responses=FOR_ACCOUNTS)
async def status(box: TheBox, _: ActorAnyTime) -> Status:
    """*Status > Basics*; answered during an installation as well."""
    return box.status()


@router.put("/api/v1/clock", responses={**FOR_ACCOUNTS, **refusals(s422="invalid_request")})
async def set_clock(box: TheBox, by: Actor, body: ClockTime) -> ClockAnswer:
    """Sets the box's clock; it runs on from there."""
    return ClockAnswer(time=box.set_clock(by, body.time))


@router.get("/api/v1/tls", responses=FOR_ACCOUNTS)
async def tls(box: TheBox, _: Actor) -> TlsSettings:
    """Which TLS the box takes on every address."""
    return box.tls.settings()


@router.put("/api/v1/tls", responses={**FOR_ACCOUNTS, **refusals(s422="invalid_request")})
async def change_tls(box: TheBox, by: Actor, body: WantedTls) -> TlsSettings:
    """Replaces it, from the next handshake on."""
    return box.tls.change(by, body.minimum_version, body.ciphers)


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
async def reset_status(box: TheBox, _: Anybody) -> ResetStatus:
    """How far a factory reset is. Needs no account."""
    return box.power.reset_status()
