"""Both web interfaces as server-rendered pages: forms and links, no script; they only call the box's services."""

from fastapi import APIRouter

from toolkit.emulator.appliance.pages import (
    certificates,
    entrance,
    networking,
    portal,
    software,
    status_basics,
    support_updates,
    users,
)
from toolkit.emulator.appliance.pages.page_route import PageRoute

router = APIRouter(route_class=PageRoute, include_in_schema=False)
"""To be included in the application whose `state.box` is the box."""

PARTS: tuple[tuple[str, APIRouter], ...] = (
    ("/appliance", entrance.router),
    ("/login", entrance.router),
    *(("", part.router) for part in (status_basics, networking, certificates, support_updates)),
    *(("", part.router) for part in (users, software, portal)),
)
"""All pages: a prefix, and the routes under it."""

for _prefix, _part in PARTS:
    router.include_router(_part, prefix=_prefix)

__all__ = ["PARTS", "router"]
