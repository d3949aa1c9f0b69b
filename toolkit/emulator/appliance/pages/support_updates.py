"""*Support > Updates*: check, read and sign the EULA, install with progress (requirements U1, U2, U7, U10)."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import HTMLResponse, Response

from toolkit.emulator.appliance.facts import Update
from toolkit.emulator.appliance.pages.page_route import PageRoute, see_other
from toolkit.emulator.appliance.pages.visit import ApplianceChange, ApplianceVisit, Visit
from toolkit.emulator.appliance.refusal import Refusal, not_found
from toolkit.emulator.appliance.states import JobState

router = APIRouter(prefix="/appliance/support", route_class=PageRoute)

_PAGE = "/appliance/support/updates"


@router.get("/updates")
def updates(visit: ApplianceVisit) -> HTMLResponse:
    """What the last check found."""
    return _list_page(visit)


def _list_page(visit: Visit, refusal: Refusal | None = None) -> HTMLResponse:
    updates = visit.box.updates
    return visit.page("updates.html", refusal=refusal, updates=updates.list(), checked=updates.checked)


@router.post("/updates/check")
def check(visit: ApplianceChange) -> Response:
    """*Check for updates*."""
    try:
        visit.box.updates.check(visit.by)
    except Refusal as refusal:
        return _list_page(visit, refusal)
    return see_other(f"{_PAGE}?done=checked")


@router.get("/updates/{update_id}/eula")
def eula(visit: ApplianceVisit, update_id: str) -> HTMLResponse:
    """The licence agreement, to be read and signed."""
    return _eula_page(visit, update_id)


def _eula_page(visit: Visit, update_id: str, refusal: Refusal | None = None, signed_by: str = "") -> HTMLResponse:
    text = visit.box.updates.eula(update_id)
    return visit.page(
        "eula.html",
        refusal=refusal,
        update=_update(visit, update_id),
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        signed_by=signed_by,
    )


@router.post("/updates/{update_id}/eula")
def accept(
    visit: ApplianceChange, update_id: str, sha256: Annotated[str, Form()], signed_by: Annotated[str, Form()] = ""
) -> Response:
    """Signs the text that was shown, by its hash."""
    try:
        visit.box.updates.accept(update_id, sha256, signed_by, visit.by)
    except Refusal as refusal:
        return _eula_page(visit, update_id, refusal, signed_by)
    return see_other(f"{_PAGE}?done=signed")


@router.get("/updates/{update_id}/install")
def confirm_install(visit: ApplianceVisit, update_id: str) -> HTMLResponse:
    """Says what installing does to the site, and asks."""
    return visit.page("install.html", update=_update(visit, update_id))


@router.post("/updates/{update_id}/install")
def install(visit: ApplianceChange, update_id: str) -> Response:
    """*Install This Update*."""
    try:
        job = visit.box.updates.install(update_id, visit.by)
    except Refusal as refusal:
        return _list_page(visit, refusal)
    return see_other(f"{_PAGE}/jobs/{job.id}")


@router.get("/updates/jobs/{job_id}")
def progress(visit: ApplianceVisit, job_id: str, refresh: bool = True) -> HTMLResponse:
    """How far it is; the page loads itself again every second unless it was asked not to."""
    job = visit.box.jobs.get(job_id)
    page = visit.page("job.html", job=job, refresh=refresh)
    if refresh and job.state is JobState.RUNNING:
        # a header, not a <meta> element: some assistive technology suppresses the one and not the other
        page.headers["Refresh"] = "1"
    return page


def _update(visit: Visit, update_id: str) -> Update:
    for update in visit.box.updates.list():
        if update.id == update_id:
            return update
    raise not_found(f"update {update_id}: check for updates first")
