"""Calls of *Support > Updates*."""

from collections.abc import Sequence

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from toolkit.emulator.appliance.api.access import FOR_ACCOUNTS, Actor, ApiRoute, TheBox, refusals
from toolkit.emulator.appliance.api.messages import Signature
from toolkit.emulator.appliance.facts import Job, Update

router = APIRouter(prefix="/api/v1/updates", responses=FOR_ACCOUNTS, route_class=ApiRoute)


@router.post("/check", responses=refusals(s409="clock", s502="update_server", s507="disk_full"))
def check(box: TheBox, by: Actor) -> Sequence[Update]:
    """*Check for updates*: asks the update server."""
    return box.updates.check(by)


@router.get("")
def updates(box: TheBox, _: Actor) -> Sequence[Update]:
    """What the last check found."""
    return box.updates.list()


@router.get(
    "/{update_id}/eula",
    response_class=PlainTextResponse,
    responses=refusals(s404="not_found", s409="clock", s502="update_server"),
)
def eula(box: TheBox, _: Actor, update_id: str) -> PlainTextResponse:
    """The licence agreement of a package."""
    return PlainTextResponse(box.updates.eula(update_id))


@router.post(
    "/{update_id}/eula",
    status_code=204,
    response_class=Response,
    responses=refusals(s404="not_found", s409="eula_changed", s422="invalid_request", s507="disk_full"),
)
def sign_eula(box: TheBox, by: Actor, update_id: str, body: Signature) -> None:
    """Signs the text whose hash is given (requirement U10)."""
    box.updates.accept(update_id, body.sha256, body.signed_by, by)


@router.post(
    "/{update_id}/install",
    status_code=202,
    responses=refusals(s404="not_found", s409="eula_required, prerequisite, installed, conflict"),
)
def install(box: TheBox, by: Actor, update_id: str) -> Job:
    """*Install This Update*: downloads, verifies, installs and restarts the services."""
    return box.updates.install(update_id, by)
