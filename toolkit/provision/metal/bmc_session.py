"""A Redfish session with one BMC: pinned TLS, time limits on every call, errors people understand."""

import logging
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
import sushy
from requests.adapters import HTTPAdapter
from sushy import connector, exceptions

from toolkit.model.errors import ApplianceError, AuthenticationError, InputError, ReboxError, UnreachableError, words_of

CONNECT_SECONDS, ANSWER_SECONDS, INSERT_SECONDS = 5.0, 30.0, 900.0
"""A BMC that is there takes a connection at once and answers soon; some fetch a whole ISO before they answer."""

# it warns of what we turn into errors, and of what is no fault at all: not on people's terminals
logging.getLogger("sushy").addHandler(logging.NullHandler())

_INSERT = "InsertMedia"
_GOT = re.compile(r'got "([0-9a-fA-F]{64})"')


class _Pinned(HTTPAdapter):
    """Accepts exactly one certificate, before a byte of ours is sent."""

    def __init__(self, sha256: str) -> None:
        self._sha256 = sha256
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        super().init_poolmanager(*arguments, assert_fingerprint=self._sha256, **named)


class _Connector(connector.Connector):  # type: ignore[misc]  # sushy carries no types
    """Waits longer where a BMC fetches an image before it answers, and nowhere else."""

    def post(self, path: str = "", *arguments: Any, **named: Any) -> Any:
        if _INSERT in path:
            named.setdefault("timeout", INSERT_SECONDS)
        return super().post(path, *arguments, **named)


def open_session(
    url: str, username: str, password: str, *, tls_sha256: str | None, ca_file: str | None, where: str
) -> sushy.Sushy:
    """Signs in; raises UnreachableError, AuthenticationError (password or certificate), ApplianceError, InputError."""
    if ca_file:
        _check_authority(ca_file)
    # one try per call: what is tried again is decided here, not by a library that sleeps in between
    link = _Connector(
        url,
        verify=ca_file or False,
        server_side_retries=1,
        server_side_retries_delay=0,
        default_request_timeout=ANSWER_SECONDS,
        connect_timeout=CONNECT_SECONDS,
    )
    if tls_sha256:
        link._session.mount("https://", _Pinned(tls_sha256))  # sushy has no other way to hand in a transport
    # neither a proxy nor a password of the environment (.netrc) is meant for a BMC
    link._session.trust_env = False
    with translated(where):
        root = sushy.Sushy(url, connector=link, auth=sushy.auth.SessionOrBasicAuth(username, password))
        # a wrong password of basic authentication is found out by the first request only
        root.get_system_collection()
    return root


def _check_authority(ca_file: str) -> None:
    try:
        ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise InputError(
            "the authority of the BMC's certificate cannot be used",
            where=ca_file,
            why="it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror or "",
            next_move="Give a PEM file as ca_file, or the certificate's fingerprint as tls_sha256.",
        ) from None


@contextmanager
def translated(where: str, what: str = "the BMC refuses a request") -> Iterator[None]:
    """Turns what sushy raises into our errors; `what` is what was to be done."""
    try:
        yield
    except exceptions.AccessError as error:
        raise AuthenticationError(
            "the BMC refuses our account",
            where=where,
            why=_reason(error),
            next_move="Check its user name and the password's reference in the inventory; too many attempts lock it.",
        ) from None
    except exceptions.ConnectionError as error:
        raise _no_connection(error, where) from None
    except exceptions.HTTPError as error:
        raise ApplianceError(
            what,
            where=where,
            why=_reason(error),
            next_move="See the BMC's own log; then try again.",
        ) from None
    except (exceptions.SushyError, ValueError, KeyError) as error:
        raise ApplianceError(
            "the BMC does not speak Redfish as it should",
            where=where,
            why=words_of(error)[:300],
            next_move="Check the URL and the BMC's firmware; it needs Redfish with virtual media.",
        ) from None


def _no_connection(error: Exception, where: str) -> ReboxError:
    for cause in _causes(error):
        if isinstance(cause, requests.exceptions.SSLError):
            return _wrong_certificate(str(cause), where)
    timed_out = any(isinstance(cause, requests.exceptions.Timeout) for cause in _causes(error))
    return UnreachableError(
        "the BMC does not answer",
        where=where,
        why=f"no answer within {ANSWER_SECONDS:.0f} s" if timed_out else _innermost(error),
        next_move="Check its address and cable; when it hangs, restart it (cold, if need be), then try again.",
    )


def _wrong_certificate(text: str, where: str) -> AuthenticationError:
    got = _GOT.search(text)
    return AuthenticationError(
        "the BMC shows another certificate than the inventory's",
        where=where,
        why=f"it shows {got.group(1).lower()}" if got else text.rpartition("(")[2].rstrip(")") or text,
        next_move="Read its fingerprint off the BMC's own pages, over a line you trust, and correct tls_sha256.",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _innermost(error: BaseException) -> str:
    texts = [cause.strerror for cause in _causes(error) if isinstance(cause, OSError) and cause.strerror]
    return texts[-1] if texts else "the connection was broken off"


def _reason(error: exceptions.HTTPError) -> str:
    return f"HTTP {error.status_code}" + (f": {str(error.detail)[:300]}" if error.detail else "")


def unknown_system(system: str | None, known: list[str], where: str) -> InputError:
    """The system asked for is not there, or there are several and none was asked for."""
    listed = ", ".join(known) or "none"
    if system is None:
        return InputError(
            "it is not told which of the BMC's systems is meant",
            where=where,
            why=f"it has {listed}",
            next_move="Give its id as `system`.",
        )
    return InputError(
        f"the BMC has no system {system}", where=where, why=f"it has {listed}", next_move="Correct `system`."
    )
