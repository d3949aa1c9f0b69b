"""Calls of *Networking > IP Configuration*."""

from fastapi import APIRouter, Response

from toolkit.emulator.appliance.api.access import FOR_ACCOUNTS, Actor, TheBox, refusals
from toolkit.emulator.appliance.api.messages import Enabled, NetworkChange, NewAddress
from toolkit.emulator.appliance.facts import Address, NetworkSettings

router = APIRouter(prefix="/api/v1/network", responses=FOR_ACCOUNTS)


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
    "/addresses/{address_id}", responses=refusals(s404="not_found", s409="last_address", s422="invalid_request")
)
async def set_enabled(box: TheBox, by: Actor, address_id: int, body: Enabled) -> Address:
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
