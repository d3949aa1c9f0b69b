"""Calls of *Security > Certificates*."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Response, UploadFile

from toolkit.emulator.appliance.api.access import FOR_ACCOUNTS, Actor, ApiRoute, TheBox, refusals
from toolkit.emulator.appliance.api.messages import Assignment, CertificateExport
from toolkit.emulator.appliance.facts import Certificate

router = APIRouter(prefix="/api/v1/certificates", responses=FOR_ACCOUNTS, route_class=ApiRoute)


@router.get("")
async def certificates(box: TheBox, _: Actor) -> tuple[Certificate, ...]:
    """The list."""
    return box.certificates.list()


@router.post(
    "/import",
    status_code=201,
    responses={
        200: {"model": Certificate, "description": "It was there already."},
        **refusals(
            s413="too_large",
            s422="no_key, key_mismatch, wrong_passphrase, passphrase_required, unreadable, clock, invalid_request",
        ),
    },
)
def import_certificate(
    box: TheBox,
    by: Actor,
    response: Response,
    file: Annotated[UploadFile, File(description="PEM (leaf, chain, key in any order) or PKCS#12.")],
    passphrase: Annotated[str | None, Form()] = None,
) -> Certificate:
    """Imports leaf, chain and key together, or nothing."""
    certificate, is_new = box.certificates.import_file(by, file.file.read(), passphrase)
    response.status_code = 201 if is_new else 200
    return certificate


@router.post(
    "/{certificate_id}/export",
    response_class=Response,
    responses={
        200: {"content": {"application/x-pem-file": {}, "application/x-pkcs12": {}}, "description": "The file."},
        **refusals(s404="not_found", s422="invalid_request"),
    },
)
def export_certificate(box: TheBox, by: Actor, certificate_id: int, body: CertificateExport) -> Response:
    """The chain and, if asked for, its key; exporting removes nothing."""
    content, name = box.certificates.export(
        by,
        certificate_id,
        include_key=body.include_key,
        passphrase=body.passphrase,
        file_format=body.format,
    )
    kind = "application/x-pem-file" if body.format == "pem" else "application/x-pkcs12"
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.put(
    "/{certificate_id}/addresses", responses=refusals(s404="not_found", s422="unknown_address, invalid_request")
)
async def assign_certificate(box: TheBox, by: Actor, certificate_id: int, body: Assignment) -> Certificate:
    """Serves it on exactly these addresses, from the next handshake on."""
    return box.certificates.assign(by, certificate_id, body.addresses)


@router.delete(
    "/{certificate_id}",
    status_code=204,
    response_class=Response,
    responses=refusals(s404="not_found", s409="assigned, conflict"),
)
async def delete_certificate(box: TheBox, by: Actor, certificate_id: int) -> None:
    """Removes a certificate and its key."""
    box.certificates.delete(by, certificate_id)
