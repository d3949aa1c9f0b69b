"""*Status > Information* and *Users*: what the support site holds (requirement A1)."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from toolkit.emulator.appliance.pages.page_route import PageRoute
from toolkit.emulator.appliance.pages.visit import SiteVisit

router = APIRouter(prefix="/login", route_class=PageRoute)


@router.get("/status/information")
def information(visit: SiteVisit) -> HTMLResponse:
    """The site at a glance."""
    return visit.page("information.html", counts=visit.box.content.counts())


@router.get("/users")
def users(visit: SiteVisit) -> HTMLResponse:
    """Everybody who may use the site."""
    return visit.page("users.html", users=visit.box.content.settings("users"))
