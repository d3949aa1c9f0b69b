"""Calls of the site: settings backups, what they hold, session records and recordings."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Header, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask

from toolkit.emulator.appliance.api.access import FOR_ACCOUNTS, Actor, ApiRoute, TheBox, refusals
from toolkit.emulator.appliance.api.messages import BackupRequest, SessionsImport
from toolkit.emulator.appliance.content import SettingsKind
from toolkit.emulator.appliance.facts import ImportResult, RecordCounts, SessionPage
from toolkit.emulator.appliance.refusal import Refusal

router = APIRouter(prefix="/api/v1", responses=FOR_ACCOUNTS, route_class=ApiRoute)

_A_FILE: Mapping[str, Any] = {"content": {"application/octet-stream": {}}, "description": "The content."}
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class _LargeFile(FileResponse):
    chunk_size = 1 << 20


@router.post(
    "/backup",
    response_class=FileResponse,
    responses={200: dict(_A_FILE), **refusals(s409="no_site_package", s422="invalid_request")},
)
def backup(box: TheBox, by: Actor, body: BackupRequest) -> FileResponse:
    """*Download Backup*: users, teams, Jump Clients and options; no network settings, certificates or recordings."""
    path, name = box.backups.make(by, body.passphrase)
    return _LargeFile(
        path,
        media_type="application/octet-stream",
        filename=name,
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


@router.post(
    "/restore",
    responses=refusals(
        s409="no_site_package",
        s413="too_large",
        s422="wrong_passphrase, passphrase_required, corrupt_backup, backup_too_new, invalid_request",
    ),
)
def restore(
    box: TheBox, by: Actor, file: Annotated[UploadFile, File()], passphrase: Annotated[str | None, Form()] = None
) -> RecordCounts:
    """*Restore Settings*: all of it or nothing."""
    return box.backups.restore(by, file.file, passphrase)


@router.get("/settings/{kind}", responses=refusals(s422="invalid_request"))
def settings(box: TheBox, _: Actor, kind: SettingsKind) -> tuple[dict[str, Any], ...]:
    """Every record of a kind, each with a stable `id`; never a password."""
    return box.content.settings(kind)


@router.get("/sessions", responses=refusals(s422="invalid_request"))
def sessions(
    box: TheBox,
    _: Actor,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> SessionPage:
    """Session records in the order of `seq`."""
    return box.content.sessions(after, limit)


@router.post("/sessions", responses=refusals(s409="not_supported", s413="too_large", s422="invalid_request"))
def import_sessions(box: TheBox, by: Actor, body: SessionsImport) -> ImportResult:
    """Puts session records back; needs the capability `import-sessions`."""
    return box.content.import_sessions(by, body.sessions)


@router.get(
    "/recordings/{lsid}",
    response_class=StreamingResponse,
    responses={
        200: dict(_A_FILE),
        206: {**_A_FILE, "description": "The part asked for."},
        **refusals(s404="not_found", s416="range"),
    },
)
def recording(
    box: TheBox, _: Actor, lsid: str, wanted: Annotated[str | None, Header(alias="Range")] = None
) -> StreamingResponse:
    """A recording, or the part of it that `Range: bytes=N-` asks for; `Content-SHA256` is of the whole."""
    file, digest = box.content.recording(lsid)
    start, end = 0, file.size
    headers = {"Content-SHA256": digest, "Accept-Ranges": "bytes"}
    match = _RANGE.fullmatch(wanted or "")
    if match is not None:
        start, end = int(match[1]), min(end, int(match[2]) + 1 if match[2] else end)
        if start >= file.size or start >= end:
            size = file.size
            file.close()
            raise Refusal(416, "range", f"The recording has {size} bytes.")
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    headers["Content-Length"] = str(end - start)
    return StreamingResponse(
        file.pieces(start, end),
        status_code=200 if match is None else 206,
        headers=headers,
        media_type="application/octet-stream",
        background=BackgroundTask(file.close),
    )


@router.put(
    "/recordings/{lsid}",
    status_code=201,
    responses={
        200: {"description": "It was there already."},
        **refusals(s404="not_found", s409="not_supported, conflict", s422="hash_mismatch, invalid_request"),
    },
    openapi_extra={"requestBody": {"content": {"application/octet-stream": {}}, "required": True}},
)
async def import_recording(
    box: TheBox,
    by: Actor,
    request: Request,
    lsid: str,
    digest: Annotated[str, Header(alias="Content-SHA256", pattern="^[0-9A-Fa-f]{64}$")],
) -> Response:
    """Puts a recording back; it is kept only if the hash is right. Needs the capability `import-recordings`."""
    with box.content.open_recording(by, lsid, digest) as intake:
        async for chunk in request.stream():
            intake.write(chunk)
        return Response(status_code=201 if intake.finish() else 200)
