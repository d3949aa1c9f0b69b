"""*Status > Information* and *Users*: what the support site holds, and who may use it (requirement A1)."""

from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import HTMLResponse, Response

from toolkit.emulator.appliance.pages.page_route import PageRoute, see_other
from toolkit.emulator.appliance.pages.visit import SiteChange, SiteVisit, Visit
from toolkit.emulator.appliance.refusal import Refusal, not_found

router = APIRouter(prefix="/login", route_class=PageRoute)

_PAGE = "/login/users"


@router.get("/status/information")
def information(visit: SiteVisit) -> HTMLResponse:
    """The site at a glance."""
    box = visit.box
    return visit.page("information.html", counts=box.content.counts(), sessions=box.support_sessions.list())


@router.get("/users")
def users(visit: SiteVisit) -> HTMLResponse:
    """Everybody who may use the site."""
    return _page(visit)


def _page(visit: Visit, refusal: Refusal | None = None) -> HTMLResponse:
    return visit.page("users.html", refusal=refusal, users=visit.box.content.settings("users"))


@router.post("/users")
def add(
    visit: SiteChange,
    *,
    username: Annotated[str, Form()],
    display_name: Annotated[str, Form()],
    password: Annotated[str, Form()],
    email: Annotated[str, Form()] = "",
) -> Response:
    """Adds a user with a first password."""
    try:
        visit.box.users.add(visit.by, username=username, display_name=display_name, email=email, password=password)
    except Refusal as refusal:
        return _page(visit, refusal)
    return see_other(f"{_PAGE}?done=user-added")


@router.post("/users/{user_id}/disable")
def disable(visit: SiteChange, user_id: str) -> Response:
    """Shuts a user out."""
    try:
        visit.box.users.disable(visit.by, user_id)
    except Refusal as refusal:
        return _page(visit, refusal)
    return see_other(f"{_PAGE}?done=user-disabled")


@router.get("/users/{user_id}/enable")
def enable_form(visit: SiteVisit, user_id: str) -> HTMLResponse:
    """Asks for a new first password."""
    return visit.page("enable_user.html", user=_user(visit, user_id))


@router.post("/users/{user_id}/enable")
def enable(visit: SiteChange, user_id: str, password: Annotated[str, Form()]) -> Response:
    """Lets a user in again."""
    try:
        visit.box.users.enable(visit.by, user_id, password)
    except Refusal as refusal:
        return visit.page("enable_user.html", refusal=refusal, user=_user(visit, user_id))
    return see_other(f"{_PAGE}?done=user-enabled")


def _user(visit: Visit, user_id: str) -> dict[str, Any]:
    for user in visit.box.content.settings("users"):
        if user["id"] == user_id:
            return user
    raise not_found(f"user {user_id}")
