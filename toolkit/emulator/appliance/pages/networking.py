"""*Networking > IP Configuration*: addresses, the shared IP's *Enabled* box, gateway, DNS and NTP (A3, F6)."""

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.background import BackgroundTask
from starlette.responses import HTMLResponse, Response

from toolkit.emulator.appliance.facts import Address
from toolkit.emulator.appliance.guarded_change import opened
from toolkit.emulator.appliance.pages.page_route import PageRoute, see_other
from toolkit.emulator.appliance.pages.visit import ApplianceChange, ApplianceVisit, Visit
from toolkit.emulator.appliance.refusal import Refusal, invalid, not_found

router = APIRouter(prefix="/appliance/networking", route_class=PageRoute)

_PAGE = "/appliance/networking/ip-configuration"


@router.get("/ip-configuration")
def ip_configuration(visit: ApplianceVisit) -> HTMLResponse:
    """The page."""
    return _page(visit)


def _page(visit: Visit, refusal: Refusal | None = None) -> HTMLResponse:
    network, change = visit.box.network, visit.box.network_change
    page = visit.page("networking.html", refusal=refusal, network=network.settings(), change=change.last())
    if change.wants_new_connection(opened(visit.request.state)):
        # the browser has to come back over a new connection: only that can confirm
        page.headers["Connection"] = "close"
    return page


@router.post("/settings")
def save_settings(
    visit: ApplianceChange,
    *,
    hostname: Annotated[str, Form()],
    gateway: Annotated[str, Form()] = "",
    dns_servers: Annotated[str, Form()] = "",
    ntp_servers: Annotated[str, Form()] = "",
    confirm_within_seconds: Annotated[str, Form()] = "",
) -> Response:
    """Saves what is not an address; servers stand one to a line. With a number of seconds: undone unless confirmed."""
    gateway = gateway.strip()
    if confirm_within_seconds.strip():
        return _begin_change(
            visit,
            confirm_within_seconds.strip(),
            hostname=hostname.strip(),
            gateway=gateway,
            dns_servers=dns_servers.split(),
            ntp_servers=ntp_servers.split(),
        )
    if gateway == visit.box.network.settings().gateway:
        gateway = ""  # a route that stays is not laid again
    try:
        visit.box.network.change(
            visit.by,
            hostname=hostname.strip(),
            gateway=gateway or None,
            dns_servers=dns_servers.split(),
            ntp_servers=ntp_servers.split(),
        )
    except Refusal as refusal:
        return _page(visit, refusal)
    return see_other(f"{_PAGE}?done=network")


def _begin_change(visit: Visit, seconds: str, **wanted: Any) -> Response:
    try:
        if not seconds.isdecimal():
            raise invalid("The time for confirming is a number of seconds.")
        change_id = secrets.token_hex(8)
        visit.box.network_change.begin(visit.by, change_id, confirm_within_seconds=float(seconds), **wanted)
    except Refusal as refusal:
        return _page(visit, refusal)
    answer = see_other(_PAGE)
    answer.headers["Connection"] = "close"
    answer.background = BackgroundTask(visit.box.network_change.apply, change_id)
    return answer


@router.post("/changes/{change_id}/confirm")
def confirm_change(visit: ApplianceChange, change_id: str) -> Response:
    """Keeps the change under way."""
    try:
        visit.box.network_change.confirm(visit.by, change_id, opened(visit.request.state))
    except Refusal as refusal:
        return _page(visit, refusal)
    return see_other(f"{_PAGE}?done=change-confirmed")


@router.post("/changes/{change_id}/revert")
def revert_change(visit: ApplianceChange, change_id: str) -> Response:
    """Undoes the change under way."""
    try:
        visit.box.network_change.revert(visit.by, change_id)
    except Refusal as refusal:
        return _page(visit, refusal)
    return see_other(f"{_PAGE}?done=change-reverted")


@router.post("/addresses")
def add_address(
    visit: ApplianceChange,
    *,
    address: Annotated[str, Form()],
    prefix: Annotated[int, Form()],
    interface: Annotated[str, Form()],
    shared: Annotated[bool, Form()] = False,
    enabled: Annotated[bool, Form()] = False,
) -> Response:
    """Defines one more address."""
    try:
        visit.box.network.add_address(
            visit.by, address=address.strip(), prefix=prefix, interface=interface, shared=shared, enabled=enabled
        )
    except Refusal as refusal:
        return _page(visit, refusal)
    return see_other(f"{_PAGE}?done=address-added")


@router.post("/addresses/{address_id}")
def set_enabled(visit: ApplianceChange, address_id: int, enabled: Annotated[bool, Form()] = False) -> Response:
    """Takes or leaves the address, on the wire, before it answers."""
    try:
        visit.box.network.set_enabled(visit.by, address_id, enabled)
    except Refusal as refusal:
        return _page(visit, refusal)
    return see_other(f"{_PAGE}?done={'address-on' if enabled else 'address-off'}")


@router.get("/addresses/{address_id}/delete")
def confirm_delete(visit: ApplianceVisit, address_id: int) -> HTMLResponse:
    """Asks once more."""
    return visit.page("delete_address.html", address=_address(visit, address_id))


@router.post("/addresses/{address_id}/delete")
def delete_address(visit: ApplianceChange, address_id: int) -> Response:
    """Leaves the address and forgets it."""
    try:
        visit.box.network.delete_address(visit.by, address_id)
    except Refusal as refusal:
        return _page(visit, refusal)
    return see_other(f"{_PAGE}?done=address-deleted")


def _address(visit: Visit, address_id: int) -> Address:
    for address in visit.box.network.settings().addresses:
        if address.id == address_id:
            return address
    raise not_found(f"address number {address_id}")
