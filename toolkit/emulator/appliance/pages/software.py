"""*Management > Software Management*: Download Backup and Restore Settings (requirements U9, H2, H6)."""

from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, HTMLResponse, Response

from toolkit.emulator.appliance.pages.page_route import PageRoute, see_other
from toolkit.emulator.appliance.pages.visit import SiteChange, SiteVisit, Visit, find_visit
from toolkit.emulator.appliance.refusal import Refusal, invalid

router = APIRouter(prefix="/login/management", route_class=PageRoute)

_PAGE = "/login/management/software"


@router.get("/software")
def software(visit: SiteVisit) -> HTMLResponse:
    """The page."""
    return _page(visit)


def _page(visit: Visit, refusal: Refusal | None = None) -> HTMLResponse:
    return visit.page("software.html", refusal=refusal)


@router.post("/software/backup")
def download_backup(
    visit: SiteChange, passphrase: Annotated[str, Form()] = "", repeated: Annotated[str, Form()] = ""
) -> Response:
    """*Download Backup*."""
    try:
        if passphrase != repeated:
            raise invalid("The passphrase and its repetition are not the same.")
        path, name = visit.box.backups.make(visit.by, passphrase or None)
    except Refusal as refusal:
        return _page(visit, refusal)
    return FileResponse(
        path, media_type="application/octet-stream", filename=name, background=BackgroundTask(path.unlink)
    )


@router.post("/software/restore")
def restore(
    visit: SiteChange, file: Annotated[UploadFile, File()], passphrase: Annotated[str, Form()] = ""
) -> Response:
    """*Restore Settings*: all or nothing."""
    try:
        visit.box.backups.restore(visit.by, file.file, passphrase or None)
    except Refusal as refusal:
        return _page(visit, refusal)
    # the accounts are those of the backup now: whoever was logged in may be nobody there
    stays = find_visit(visit.request, "login") is not None
    return see_other(f"{_PAGE if stays else '/login/log-in'}?done=restored")
