"""Calls of *Users & Security > Users*; the list is one of the settings."""

from fastapi import APIRouter

from toolkit.emulator.appliance.api.access import FOR_ACCOUNTS, Actor, ApiRoute, TheBox, refusals
from toolkit.emulator.appliance.api.messages import FirstPassword, NewUser
from toolkit.emulator.appliance.facts import User

router = APIRouter(prefix="/api/v1/users", responses=FOR_ACCOUNTS, route_class=ApiRoute)


@router.post(
    "", status_code=201, responses=refusals(s409="no_site_package, conflict", s422="weak_password, invalid_request")
)
def add_user(box: TheBox, by: Actor, body: NewUser) -> User:
    """Adds a user of the support site, with a first password."""
    return box.users.add(by, **body.model_dump())


@router.post("/{user_id}/disable", responses=refusals(s404="not_found", s409="conflict"))
def disable_user(box: TheBox, by: Actor, user_id: str) -> User:
    """Shuts a user out: the password is forgotten and the web sessions end."""
    return box.users.disable(by, user_id)


@router.post("/{user_id}/enable", responses=refusals(s404="not_found", s422="weak_password, invalid_request"))
def enable_user(box: TheBox, by: Actor, user_id: str, body: FirstPassword) -> User:
    """Lets a user in again, with a new first password."""
    return box.users.enable(by, user_id, body.password)
