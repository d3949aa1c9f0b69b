"""Calls of *Networking > IP Configuration*."""

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from toolkit.emulator.appliance.api.access import FOR_ACCOUNTS, Actor, ApiRoute, TheBox, refusals
from toolkit.emulator.appliance.api.messages import Enabled, GuardedNetworkChange, NetworkWanted, NewAddress
from toolkit.emulator.appliance.facts import Address, NetworkChange, NetworkSettings, Route
from toolkit.emulator.appliance.guarded_change import opened
from toolkit.emulator.appliance.network_state import OwnAddress

router = APIRouter(prefix="/api/v1/network", responses=FOR_ACCOUNTS, route_class=ApiRoute)


async def _enabled(request: Request, _: Actor) -> Enabled:
    """The body, read when all else has been looked at: a caller may hold it back until a swing's other half is done.

    FastAPI reads a body that it knows of before anything else.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestValidationError([{"type": "content_type", "loc": ("body",), "msg": "not JSON"}])
    try:
        return Enabled.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from None


ChangeId = Annotated[str, Path(pattern="^[0-9a-f]{16,32}$", description="Drawn by whoever begins the change.")]
_ENABLED = {"required": True, "content": {"application/json": {"schema": Enabled.model_json_schema()}}}


@router.get("")
async def network(box: TheBox, _: Actor) -> NetworkSettings:
    """All network settings."""
    return box.network.settings()


@router.put("", responses=refusals(s409="change_pending", s422="invalid_request"))
async def change_network(box: TheBox, by: Actor, body: NetworkWanted) -> NetworkSettings:
    """Changes what is given."""
    return box.network.change(by, **body.model_dump())


@router.put(
    "/changes/{change_id}",
    status_code=202,
    response_model=NetworkChange,
    responses={
        200: {"model": NetworkChange, "description": "It was asked for before; this is how it stands."},
        **refusals(s409="change_pending, last_address, conflict", s422="invalid_request"),
    },
)
async def begin_change(
    box: TheBox,
    by: Actor,
    change_id: ChangeId,
    body: GuardedNetworkChange,
    *,
    response: Response,
    after: BackgroundTasks,
) -> NetworkChange:
    """Changes all of it at once, as soon as this is answered; undone unless it is confirmed in time."""
    wanted = dict(body)
    wanted["routes"] = None if body.routes is None else [Route(**one.model_dump()) for one in body.routes]
    wanted["addresses"] = None if body.addresses is None else [OwnAddress(**one.model_dump()) for one in body.addresses]
    change, begun = box.network_change.begin(by, change_id, **wanted)
    response.status_code = 202 if begun else 200
    if begun:
        # this connection can confirm nothing
        response.headers["Connection"] = "close"
        after.add_task(box.network_change.apply, change_id)
    return change


@router.get("/changes/{change_id}", responses=refusals(s404="not_found"))
async def change(box: TheBox, _: Actor, change_id: ChangeId) -> NetworkChange:
    """How the last change stands."""
    return box.network_change.get(change_id)


@router.post("/changes/{change_id}/confirm", responses=refusals(s404="not_found", s409="same_connection, reverted"))
async def confirm_change(request: Request, box: TheBox, by: Actor, change_id: ChangeId) -> NetworkChange:
    """Keeps it; only over a connection that was opened after the change."""
    return box.network_change.confirm(by, change_id, opened(request.state))


@router.post("/changes/{change_id}/revert", responses=refusals(s404="not_found", s409="conflict"))
async def revert_change(box: TheBox, by: Actor, change_id: ChangeId) -> NetworkChange:
    """Undoes it before its deadline."""
    return box.network_change.revert(by, change_id)


@router.post("/addresses", status_code=201, responses=refusals(s409="change_pending, conflict", s422="invalid_request"))
async def add_address(box: TheBox, by: Actor, body: NewAddress) -> Address:
    """Defines one more address."""
    return box.network.add_address(by, **body.model_dump())


@router.patch(
    "/addresses/{address_id}",
    responses=refusals(s404="not_found", s409="change_pending, last_address", s422="invalid_request"),
    openapi_extra={"requestBody": _ENABLED},
)
async def set_enabled(box: TheBox, by: Actor, address_id: int, body: Annotated[Enabled, Depends(_enabled)]) -> Address:
    """Ticks or clears *Enabled*; on the wire and announced, or off it, before this is answered."""
    return box.network.set_enabled(by, address_id, body.enabled)


@router.delete(
    "/addresses/{address_id}",
    status_code=204,
    response_class=Response,
    responses=refusals(s404="not_found", s409="change_pending, last_address"),
)
async def delete_address(box: TheBox, by: Actor, address_id: int) -> None:
    """Forgets an address."""
    box.network.delete_address(by, address_id)
