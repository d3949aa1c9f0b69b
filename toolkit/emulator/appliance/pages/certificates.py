"""*Security > Certificates*: list, import, export, *Assign IP*, *Save Configuration* (requirements H3, H4)."""

from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, UploadFile
from starlette.responses import HTMLResponse, Response

from toolkit.emulator.appliance.pages.page_route import PageRoute, see_other
from toolkit.emulator.appliance.pages.visit import ApplianceChange, ApplianceVisit, Visit
from toolkit.emulator.appliance.refusal import Refusal, invalid

router = APIRouter(prefix="/appliance/security/certificates", route_class=PageRoute)

_PAGE = "/appliance/security/certificates"


@router.get("")
def certificates(visit: ApplianceVisit) -> HTMLResponse:
    """The list and the form for another one."""
    return _list_page(visit)


def _list_page(visit: Visit, refusal: Refusal | None = None) -> HTMLResponse:
    return visit.page("certificates.html", refusal=refusal, certificates=visit.box.certificates.list())


@router.post("/import")
def import_certificate(
    visit: ApplianceChange, file: Annotated[UploadFile, File()], passphrase: Annotated[str, Form()] = ""
) -> Response:
    """Takes a PEM or PKCS#12 file."""
    try:
        certificate, is_new = visit.box.certificates.import_file(visit.by, file.file.read(), passphrase or None)
    except Refusal as refusal:
        return _list_page(visit, refusal)
    return see_other(f"{_PAGE}/{certificate.id}?done={'imported' if is_new else 'known'}")


@router.get("/{certificate_id}")
def certificate(visit: ApplianceVisit, certificate_id: int) -> HTMLResponse:
    """One certificate, with what can be done with it."""
    return _page(visit, certificate_id)


def _page(visit: Visit, certificate_id: int, refusal: Refusal | None = None) -> HTMLResponse:
    return visit.page(
        "certificate.html",
        refusal=refusal,
        certificate=visit.box.certificates.get(certificate_id),
        addresses=visit.box.network.settings().addresses,
    )


@router.post("/{certificate_id}/export")
def export(
    visit: ApplianceChange,
    certificate_id: int,
    *,
    file_format: Annotated[Literal["pem", "pkcs12"], Form()],
    include_key: Annotated[bool, Form()] = False,
    passphrase: Annotated[str, Form()] = "",
    repeated: Annotated[str, Form()] = "",
) -> Response:
    """The file, as a download; it removes nothing from the box."""
    try:
        if passphrase != repeated:
            raise invalid("The passphrase and its repetition are not the same.")
        content, name = visit.box.certificates.export(
            visit.by, certificate_id, include_key=include_key, passphrase=passphrase or None, file_format=file_format
        )
    except Refusal as refusal:
        return _page(visit, certificate_id, refusal)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.post("/{certificate_id}/addresses")
def assign(
    visit: ApplianceChange, certificate_id: int, addresses: Annotated[list[str] | None, Form()] = None
) -> Response:
    """*Assign IP* and *Save Configuration*: served there at once."""
    try:
        visit.box.certificates.assign(visit.by, certificate_id, addresses or [])
    except Refusal as refusal:
        return _page(visit, certificate_id, refusal)
    return see_other(f"{_PAGE}/{certificate_id}?done=assigned")


@router.get("/{certificate_id}/delete")
def confirm_delete(visit: ApplianceVisit, certificate_id: int) -> HTMLResponse:
    """Asks once more: the key may be the only one there is."""
    return visit.page("delete_certificate.html", certificate=visit.box.certificates.get(certificate_id))


@router.post("/{certificate_id}/delete")
def delete(visit: ApplianceChange, certificate_id: int) -> Response:
    """Deletes certificate and key."""
    try:
        visit.box.certificates.delete(visit.by, certificate_id)
    except Refusal as refusal:
        return _page(visit, certificate_id, refusal)
    return see_other(f"{_PAGE}?done=deleted")
