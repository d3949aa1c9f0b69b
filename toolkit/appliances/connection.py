"""An authenticated HTTPS connection to a box: pinned certificate, OAuth token, errors people understand."""

import contextlib
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any

import httpx
from pydantic import JsonValue

from toolkit.model.errors import (
    ApplianceError,
    AuthenticationError,
    ReboxError,
    RefusedError,
    UnreachableError,
    words_of,
)

_LOCKED_SECONDS, _LOCKED_SECONDS_MAX = 30.0, 60.0
"""How long an account is locked when the box does not say; how long we wait at most, whatever it says."""

_TOKEN_USED = 0.9
"""The part of a token's life for which it is used: it must not end while a long upload is under way."""


class _PinMismatchError(ssl.SSLError):
    """The peer's certificate is not one we pinned; carries what was served."""

    def __init__(self, served: str) -> None:
        super().__init__(f"served certificate {served}")
        self.served = served


class PinnedContext(ssl.SSLContext):
    """Accepts exactly the certificates whose SHA-256 is pinned, before a single byte of ours is sent.

    A box's own address has no name in any authority's certificate, so the fingerprint known from its console is the
    only thing that authenticates it.
    """

    pins: set[str]

    @classmethod
    def of(cls, pins: set[str]) -> "PinnedContext":
        """A client context that accepts `pins` (lower-case hexadecimal); the set may grow later."""
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the pin below is stricter than any authority
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.pins = pins
        return context

    def wrap_socket(self, *arguments: Any, **named: Any) -> ssl.SSLSocket:
        """Wraps, shakes hands and compares; raises ssl.SSLError when the certificate is another."""
        wrapped = super().wrap_socket(*arguments, **named)
        certificate = wrapped.getpeercert(binary_form=True)
        served = sha256(certificate or b"").hexdigest()
        if served not in self.pins:
            wrapped.close()
            raise _PinMismatchError(served)
        return wrapped


class _HeldBack:
    """A body that is there once `first` has been called; asked for again, e.g. after a 401, it comes at once."""

    def __init__(self, content: bytes, first: Callable[[], object]) -> None:
        self._content = content
        self._first: Callable[[], object] | None = first

    def __iter__(self) -> Iterator[bytes]:
        if self._first is not None:
            self._first()
            self._first = None
        yield self._content


class BoxConnection:
    """Requests to one box.

    `read_only` refuses, on our side, every request that could change something: planning and dry runs use it, so
    that they cannot change a box even by a mistake of ours. `transport` wraps the network for recording.
    `settings_in` is where people mend what the box refuses: the file that names the box.
    """

    def __init__(
        self,
        name: str,
        address: str,
        port: int,
        pins: set[str],
        *,
        client_id: str,
        client_secret: Callable[[], str],
        read_only: bool = False,
        settings_in: Callable[[], object] = lambda: "the inventory",
        timeout_seconds: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        wrap_transport: Callable[[httpx.BaseTransport], httpx.BaseTransport] = lambda transport: transport,
    ) -> None:
        self.name = name
        self.address = address
        self.pins = pins
        self._client_id = client_id
        self._client_secret = client_secret
        self._read_only = read_only
        self._settings_in = settings_in
        self._token = ""
        self._token_ends = 0.0
        self._monotonic = monotonic
        self._refused: AuthenticationError | None = None
        self._absent: UnreachableError | None = None
        self._sleep = sleep
        self._timeout = httpx.Timeout(timeout_seconds, connect=5.0)
        self._hurried = False
        host = f"[{address}]" if ":" in address else address
        self.where = f"{name} ({host}:{port})" if port != 443 else f"{name} ({address})"

        def dial() -> httpx.Client:
            return httpx.Client(
                base_url=f"https://{host}:{port}",
                transport=wrap_transport(httpx.HTTPTransport(verify=PinnedContext.of(pins))),
                timeout=self._timeout,
            )

        self._dial = dial
        self._client = dial()

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    @contextlib.contextmanager
    def within(self, seconds: float, answer_seconds: float | None = None) -> Iterator[None]:
        """Inside, a box that is silent for so long counts as one that does not answer, and no lock is waited out.

        With `answer_seconds`, only the connection and its handshake must come about so fast: a box that has just been
        switched on, or has much to do, takes its time for an answer, and a dead one makes no connection.
        """
        kept = self._timeout
        self._timeout, self._hurried = httpx.Timeout(answer_seconds or seconds, connect=seconds), True
        self._client.timeout = self._timeout
        try:
            yield
        finally:
            self._timeout, self._hurried = kept, False
            self._client.timeout = kept

    def hang_up(self) -> None:
        """Closes the connections; the next request comes over a new one, with the token we have."""
        self._client.close()
        self._client = self._dial()

    def drop_connections(self) -> None:
        """Forgets the token, so that the next request signs in again: the box has restarted."""
        self._token = ""

    # ----------------------------------------------------------------------------------------------- requests

    def get(self, path: str, **named: Any) -> Any:
        """The JSON answer to a GET."""
        return self.request("GET", path, **named).json()

    def change(self, method: str, path: str, **named: Any) -> httpx.Response:
        """A request that changes something; refused on a read-only connection."""
        return self.request(method, path, **named)

    def change_after(self, first: Callable[[], object], method: str, path: str, body: JsonValue) -> httpx.Response:
        """Sends the head of a request, calls `first`, and sends the body as soon as that returns.

        When `first` raises, the request is broken off: without its body, the box does nothing.
        """
        content = json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        return self.change(method, path, headers=headers, content=_HeldBack(content, first))

    def request(self, method: str, path: str, *, signed: bool = True, **named: Any) -> httpx.Response:
        """One request and its whole answer; raises the errors of `appliances.protocol`.

        A read-only connection to a box that is off does not knock again: each time would take seconds.
        """
        self._check_allowed(method, path)
        if self._absent is not None:
            raise self._absent
        response = self._send(method, path, signed, named)
        if signed and response.status_code == 401:
            self._token = ""  # expired, or the box was restarted: sign in once more
            # an iterator gave all it had to the first request; the next one is signed anew
            if not isinstance(named.get("content"), Iterator):
                response = self._send(method, path, signed, named)
        self._raise_for(response, path)
        return response

    def ask(self, method: str, path: str, *, token: str | None = None, **named: Any) -> httpx.Response:
        """One request as a stranger, or with a token of long ago; whatever is answered is for the caller to judge."""
        self._check_allowed(method, path)
        headers = {**named.pop("headers", {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        return self._send(method, path, False, {**named, "headers": headers})

    @property
    def token(self) -> str | None:
        """The token we were given last and have not given up; it may have ended."""
        return self._token or None

    def stream(self, method: str, path: str, **named: Any) -> httpx.Response:
        """An open response to be read in pieces and closed by the caller."""
        self._check_allowed(method, path)
        response = self._open(method, path, named)
        if response.status_code == 401:
            response.close()
            self._token = ""
            response = self._open(method, path, named)
        if response.is_error:
            try:
                response.read()
            except httpx.HTTPError as error:
                raise self.translate(error) from None
            self._raise_for(response, path)
        return response

    def _open(self, method: str, path: str, named: Mapping[str, Any]) -> httpx.Response:
        arguments = dict(named)
        headers = self._headers(dict(arguments.pop("headers", {})))
        try:
            request = self._client.build_request(method, path, headers=headers, **arguments)
            return self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise self.translate(error) from None

    def _send(self, method: str, path: str, signed: bool, named: Mapping[str, Any]) -> httpx.Response:
        arguments = dict(named)
        headers = dict(arguments.pop("headers", {}))
        if signed:
            headers = self._headers(headers)
        try:
            return self._client.request(method, path, headers=headers, **arguments)
        except httpx.HTTPError as error:
            raise self.translate(error) from None

    def _headers(self, extra: Mapping[str, str]) -> dict[str, str]:
        if not self._token or self._monotonic() >= self._token_ends:
            self.sign_in()
        return {**extra, "Authorization": f"Bearer {self._token}"}

    def sign_in(self) -> None:
        """Fetches a token (OAuth 2.0 client credentials, RFC 6749 section 4.4).

        A read-only connection that was refused does not ask again: a factory box does not know our account yet, and
        looking at it often would lock us out. Others wait out a lock that earlier looks have brought about.
        """
        if self._refused is not None:
            raise self._refused
        response = self._ask_for_token()
        if response.status_code == 429 and not (self._read_only or self._hurried):
            self._sleep(min(float(response.headers.get("Retry-After", _LOCKED_SECONDS)), _LOCKED_SECONDS_MAX))
            response = self._ask_for_token()
        if response.status_code in (401, 403):
            refused = AuthenticationError(
                "the box refuses our API account",
                where=self.where,
                why=f"client {self._client_id!r}: {_message(response)}",
                next_move=f"Check client_id and client_secret in {self._settings_in()} against the box's API accounts.",
            )
            self._refused = refused if self._read_only else None
            raise refused
        self._raise_for(response, "/oauth2/token")
        answer = response.json()
        self._token = str(answer["access_token"])
        self._token_ends = self._monotonic() + float(answer["expires_in"]) * _TOKEN_USED

    def _ask_for_token(self) -> httpx.Response:
        try:
            return self._client.post(
                "/oauth2/token",
                auth=(self._client_id, self._client_secret()),
                data={"grant_type": "client_credentials"},
            )
        except httpx.HTTPError as error:
            raise self.translate(error) from None

    def _check_allowed(self, method: str, path: str) -> None:
        if self._read_only and method not in ("GET", "HEAD"):
            raise RefusedError(
                f"{method} {path} would change the box",
                where=self.where,
                why="a plan or a dry run only looks",
                next_move="This is a mistake in rebox; please report it.",
            )

    # ------------------------------------------------------------------------------------------------- errors

    def translate(self, error: Exception) -> ReboxError:
        """What went wrong on the way to the box, in our words."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, _PinMismatchError):
                return self._wrong_fingerprint(cause.served)
            cause = cause.__cause__ or cause.__context__
        reason = words_of(error)
        unreachable = UnreachableError(
            "the box does not answer",
            where=self.where,
            why=re.sub(r"^\[Errno \d+\] ", "", reason),
            next_move="Check that it is switched on, that the address is right and that port 443 is open from here.",
        )
        if self._read_only and isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            self._absent = unreachable
        return unreachable

    def _wrong_fingerprint(self, served: str) -> AuthenticationError:
        expected = ", ".join(sorted(self.pins)) or "none"
        return AuthenticationError(
            "this is not the box we expect: it serves another TLS certificate",
            where=self.where,
            why=f"expected SHA-256 {expected}, served {served}",
            next_move="Compare with the fingerprint on the box's console; put that into tls_sha256 in "
            f"{self._settings_in()} only if it matches.",
        )

    def _raise_for(self, response: httpx.Response, path: str) -> None:
        if not response.is_error:
            return
        if response.status_code == 401:
            raise AuthenticationError(
                "the box refuses our account",
                where=self.where,
                why=_message(response),
                next_move=f"Check the account in {self._settings_in()} against the box.",
            )
        next_move = _NEXT_MOVES.get(_code(response), "Mend the reason on the box, then resume.")
        raise BoxRefusedError(
            f"the box refuses {path}",
            where=self.where,
            why=_message(response),
            next_move=next_move.format(self._settings_in()),
            status=response.status_code,
            box_code=_code(response),
        )


class BoxRefusedError(ApplianceError):
    """The box answered with an error of its own; `status` and `box_code` are as it sent them."""

    def __init__(self, what: str, *, where: str, why: str, next_move: str, status: int = 0, box_code: str = "") -> None:
        super().__init__(what, where=where, why=why, next_move=next_move)
        self.status = status
        self.box_code = box_code


_NEXT_MOVES = {
    "clock": "Set the box's clock (Networking > IP Configuration > NTP), then resume.",
    "locked_out": "Wait half a minute, then try again with the right account.",
    "eula_required": "Read the EULA (Support > Updates) and set package.eula_accepted and eula_signed_by in {}.",
    "prerequisite": "Install what it requires first.",
    "wrong_passphrase": "Check the passphrase's reference in {}, and the secret that it names.",
    "backup_too_new": "Install a site package at least as new as the one the backup was made with, then resume.",
    "corrupt_backup": "Do not use this file; download the backup again.",
    "installing": "Wait until the installation has ended, then resume.",
    "resetting": "Wait until the reset is complete.",
    "change_pending": "Confirm or undo it (Networking > IP Configuration), or wait until the box does; then resume.",
}


def _code(response: httpx.Response) -> str:
    try:
        return str(response.json().get("error", ""))
    except (ValueError, AttributeError):
        return ""


def _message(response: httpx.Response) -> str:
    try:
        body = response.json()
        return str(body.get("message") or body.get("error") or body)
    except (ValueError, AttributeError):
        plain = response.headers.get("content-type", "").startswith("text/plain")
        return (response.text.strip() if plain else "") or f"HTTP {response.status_code}"


def wait_until(
    check: Callable[[], bool],
    *,
    seconds: float,
    interval: float = 0.1,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> bool:
    """Asks `check` until it holds or `seconds` have passed; False when it never held."""
    deadline = monotonic() + seconds
    while not check():
        if monotonic() >= deadline:
            return False
        sleep(interval)
    return True
