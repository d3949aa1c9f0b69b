"""Calls of *Networking > IP Configuration*."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from toolkit.emulator.appliance.api.access import FOR_ACCOUNTS, Actor, TheBox, refusals
from toolkit.emulator.appliance.api.messages import Enabled, NetworkChange, NewAddress
from toolkit.emulator.appliance.facts import Address, NetworkSettings

router = APIRouter(prefix="/api/v1/network", responses=FOR_ACCOUNTS)


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


_ENABLED = {"required": True, "content": {"application/json": {"schema": Enabled.model_json_schema()}}}


@router.get("")
async def network(box: TheBox, _: Actor) -> NetworkSettings:
    """All network settings."""
    return box.network.settings()


@router.put("", responses=refusals(s422="invalid_request"))
async def change_network(box: TheBox, by: Actor, body: NetworkChange) -> NetworkSettings:
    """Changes what is given."""
    return box.network.change(by, **body.model_dump())


@router.post("/addresses", status_code=201, responses=refusals(s409="conflict", s422="invalid_request"))
async def add_address(box: TheBox, by: Actor, body: NewAddress) -> Address:
    """Defines one more address."""
    return box.network.add_address(by, **body.model_dump())


@router.patch(
    "/addresses/{address_id}",
    responses=refusals(s404="not_found", s409="last_address", s422="invalid_request"),
    openapi_extra={"requestBody": _ENABLED},
)
async def set_enabled(box: TheBox, by: Actor, address_id: int, body: Annotated[Enabled, Depends(_enabled)]) -> Address:
    """Ticks or clears *Enabled*; on the wire and announced, or off it, before this is answered."""
    return box.network.set_enabled(by, address_id, body.enabled)


@router.delete(
    "/addresses/{address_id}",
    status_code=204,
    response_class=Response,
    responses=refusals(s404="not_found", s409="last_address"),
)
async def delete_address(box: TheBox, by: Actor, address_id: int) -> None:
    """Forgets an address."""
    box.network.delete_address(by, address_id)
