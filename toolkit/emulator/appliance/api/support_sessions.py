"""Calls that stand in for what the emulator has not: representatives' consoles and customers' clients (U7)."""

from fastapi import APIRouter, Response

from toolkit.emulator.appliance.api.access import FOR_ACCOUNTS, Actor, ApiRoute, TheBox, refusals
from toolkit.emulator.appliance.api.messages import SupportSession
from toolkit.emulator.appliance.facts import ActiveSession

router = APIRouter(prefix="/api/v1/active-sessions", responses=FOR_ACCOUNTS, route_class=ApiRoute)


@router.get("")
async def active_sessions(box: TheBox, _: Actor) -> tuple[ActiveSession, ...]:
    """The support sessions in progress, the oldest first."""
    return box.support_sessions.list()


@router.post("", status_code=201, responses=refusals(s409="no_site_package, conflict", s422="invalid_request"))
async def begin_session(box: TheBox, by: Actor, body: SupportSession) -> ActiveSession:
    """A user begins to help a customer."""
    return box.support_sessions.begin(by, username=body.username, customer=body.customer)


@router.delete("/{lsid}", status_code=204, response_class=Response, responses=refusals(s404="not_found"))
async def end_session(box: TheBox, by: Actor, lsid: str) -> None:
    """The user ends it: it becomes a session record."""
    box.support_sessions.end(by, lsid)
