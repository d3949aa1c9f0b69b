"""How large a body may be: refused while it arrives, before it fills the memory or the disk."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KIB, _MIB = 1 << 10, 1 << 20
_LIMITS = (
    ("/api/v1/recordings/", None),  # streamed to the disk, piece by piece
    ("/api/v1/sessions", 64 * _MIB),
    ("/api/v1/restore", 512 * _MIB),
    ("/login/", 512 * _MIB),
    ("", 1 * _MIB),
)


def limit_of(path: str) -> int | None:
    """The largest body in bytes for a URL path; None: no limit."""
    return next(limit for prefix, limit in _LIMITS if path.startswith(prefix))


class BodyLimit:
    """ASGI middleware; raises 413 into the application, as an HTTPException: FastAPI lets no other class pass."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts what arrives."""
        limit = limit_of(scope["path"]) if scope["type"] == "http" else None
        if limit is None:
            await self._app(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413, f"The body is larger than {limit // _KIB} KiB")
            return message

        await self._app(scope, limited, send)
