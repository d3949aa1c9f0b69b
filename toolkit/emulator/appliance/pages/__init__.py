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

for _prefix in ("/appliance", "/login"):
    router.include_router(entrance.router, prefix=_prefix)
for _part in (status_basics, networking, certificates, support_updates, users, software, portal):
    router.include_router(_part.router)

__all__ = ["router"]
