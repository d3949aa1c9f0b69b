"""*Status > Basics*: what the box is, its clock, and the buttons that reboot, shut down and reset it (A3, H8)."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, Response

from toolkit.emulator.appliance.pages.page_route import PageRoute, see_other
from toolkit.emulator.appliance.pages.rendering import render
from toolkit.emulator.appliance.pages.visit import ApplianceChange, ApplianceVisit, Visit, box_of
from toolkit.emulator.appliance.refusal import Refusal, invalid

router = APIRouter(prefix="/appliance", route_class=PageRoute)

Deed = Literal["reboot", "shut-down", "reset"]
"""What can be done to the whole box; each is confirmed by its serial number."""


@router.get("/status/basics")
def basics(visit: ApplianceVisit) -> HTMLResponse:
    """The page."""
    return visit.page("basics.html")


@router.post("/status/clock")
def set_clock(visit: ApplianceChange, time: Annotated[str, Form()]) -> Response:
    """Sets the clock to a time given in UTC."""
    try:
        visit.box.set_clock(visit.by, _utc(time))
    except Refusal as refusal:
        return visit.page("basics.html", refusal=refusal)
    return see_other("/appliance/status/basics?done=clock")


def _utc(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise invalid("The time is not written like 2026-01-31T12:00:00.") from error


@router.get("/status/{deed}")
def confirm(visit: ApplianceVisit, deed: Deed) -> HTMLResponse:
    """Says what will happen and asks for the serial number."""
    return visit.page("confirm_deed.html", deed=deed)


@router.post("/status/{deed}")
def carry_out(visit: ApplianceChange, deed: Deed, serial_number: Annotated[str, Form()]) -> Response:
    """Does it when the serial number is this box's."""
    serial_number = serial_number.strip()
    try:
        if deed == "reset":
            visit.box.power.reset(visit.by, serial_number)
            return see_other("/appliance/reset")
        _check_serial_number(visit, serial_number)
        if deed == "reboot":
            visit.box.power.reboot(visit.by)
        else:
            visit.box.power.shut_down(visit.by)
    except Refusal as refusal:
        return visit.page("confirm_deed.html", refusal=refusal, deed=deed)
    return visit.page("going_down.html", deed=deed)


def _check_serial_number(visit: Visit, serial_number: str) -> None:
    if serial_number != visit.box.status().serial_number:
        raise Refusal(409, "serial_number", "That is not this appliance's serial number: nothing was done.")


@router.get("/reset")
def reset_progress(request: Request) -> HTMLResponse:
    """How far a factory reset is; shown to anybody, because it destroys the accounts."""
    reset = box_of(request).power.reset_status()
    destroyed = box_of(request).power.data_key_destroyed
    page = render(request, "reset.html", "appliance", reset=reset, data_key_destroyed=destroyed)
    if reset.state == "resetting":
        page.headers["Refresh"] = "1"
    return page
