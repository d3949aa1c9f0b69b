"""The support site's own front door, there as soon as a site package is installed; the style sheet and the icon."""

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from toolkit.emulator.appliance.pages.page_route import PageRoute, see_other
from toolkit.emulator.appliance.pages.rendering import render
from toolkit.emulator.appliance.pages.visit import box_of

router = APIRouter(route_class=PageRoute)


_HEADERS = {"Cache-Control": "max-age=3600"}
_ICON = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">
<rect width="16" height="16" rx="3" fill="#0b6470"/>
<path d="M3 6h10M3 10h10" stroke="#fff" stroke-width="2"/><circle cx="12" cy="13" r="1" fill="#fff"/></svg>"""


@router.get("/")
def portal(request: Request) -> Response:
    """The public page; a box without a site package shows its administration instead."""
    if box_of(request).status().site_version is None:
        return see_other("/appliance")
    return render(request, "portal.html", "login")


@router.get("/assets/pages.css")
def style() -> FileResponse:
    """The one style sheet."""
    return FileResponse(Path(__file__).with_name("pages.css"), media_type="text/css", headers=_HEADERS)


@router.get("/assets/icon.svg")
def icon() -> Response:
    """The browser tab's icon."""
    return Response(_ICON, media_type="image/svg+xml", headers=_HEADERS)
