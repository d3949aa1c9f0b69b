"""What a box looks like that has been reset to factory defaults (requirement H8): pure judgement of what was seen.

A factory box serves the certificate it announced before its reset, has the factory's password and insists on another,
knows no account of ours, serves no page of a site, and gives strangers nothing, or only what every box has when it
leaves the factory. Anything else is a leftover. What could not be seen is no pass either.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from toolkit.model.box import Exposure, Shown
from toolkit.model.counting import counted
from toolkit.model.verdict import Verdict

_REFUSED = frozenset({401, 403, 404})
_FACTORY_STATES = frozenset({"first-boot", "reset-complete"})
_ODD = "an answer of an unknown form"


@dataclass(frozen=True)
class Before:
    """What is known of the box before its reset: what must not be found again.

    `certificates`: SHA-256 of those it served, its own and the site's; `announced`: of the one it said it would have;
    `traces`: names and addresses of the site.
    """

    announced: str | None
    certificates: frozenset[str] = frozenset()
    traces: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it has to be: FAILED a leftover, UNKNOWN what could not be told."""

    verdict: Verdict
    what: str


def judge_certificate(served: str | None, before: Before) -> tuple[Finding, ...]:
    """Whether what a TLS client was shown (SHA-256, None: no handshake) is the factory's; nothing: it is."""
    if served is None:
        return (_untold("it served no certificate"),)
    if served in before.certificates:
        return (_left(f"it still serves the certificate of before its reset ({served})"),)
    if before.announced is None:
        return (_untold(f"the certificate it was to have was not announced to this run; it serves {served}"),)
    if served != before.announced:
        return (_left(f"it serves another certificate than it announced ({served})"),)
    return ()


def judge_exposure(exposure: Exposure, before: Before) -> tuple[Finding, ...]:
    """Everything in the box's answers that keeps it from being a factory box; nothing: it is one.

    A box that was asked nothing has shown nothing, and is unknown.
    """
    if not exposure.shown:
        return (_untold("it was asked nothing"),)
    return (
        *_of_default_password(exposure),
        *((_left("our API account still signs in"),) if exposure.old_account_known else ()),
        *(finding for shown in exposure.shown for finding in _of_answer(shown, before)),
    )


def _of_default_password(exposure: Exposure) -> Iterator[Finding]:
    seen = exposure.default_password
    if seen == "unknown":
        yield _untold("whether the factory's password has to be replaced")
    elif seen != "must-be-replaced":
        yield _left(
            {
                "taken-again": "the factory's password was taken as its own replacement",
                "already-replaced": "the factory's password has been replaced already",
                "not-the-factorys": "the factory's account has another password than the factory's",
            }[seen]
        )


def _of_answer(shown: Shown, before: Before) -> Iterator[Finding]:
    asked = f"{shown.call} by {shown.caller}"
    found = sorted(trace for trace in before.traces if _stands_in(trace, shown.body))
    if found:
        yield _left(f"{asked} tells {', '.join(found)}")
    if shown.kind == "open" or shown.status in _REFUSED:
        return
    if 200 <= shown.status < 300:
        for leftover in _leftovers(shown, before.announced):
            yield _left(f"{asked} gives {leftover}")
    elif not (shown.kind == "site-page" and 300 <= shown.status < 400):
        yield _untold(f"{asked} is answered {shown.status}")


def _stands_in(trace: str, body: JsonValue) -> bool:
    """As a whole: 10.77.0.2 does not stand in 10.77.0.21."""
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(trace)}(?![0-9A-Za-z])", text, re.IGNORECASE) is not None


def _leftovers(shown: Shown, factory_sha256: str | None) -> Iterator[str]:
    """What an answer that was given holds beyond what a factory box has."""
    body = shown.body
    if shown.kind in ("site-page", "content"):
        yield "a page of the site" if shown.kind == "site-page" else "content"
    elif shown.kind in ("records", "certificates"):
        rows = body.get("sessions") if isinstance(body, dict) else body
        if not isinstance(rows, list):
            yield _ODD
        elif shown.kind == "certificates":
            rows = [row for row in rows if not isinstance(row, dict) or row.get("sha256") != factory_sha256]
        if isinstance(rows, list) and rows:
            yield counted(len(rows), "record", "records")
    elif isinstance(body, dict):
        yield from _BY_KIND[shown.kind](body)
    else:
        yield _ODD


def _of_status(status: dict[str, JsonValue]) -> Iterator[str]:
    if status.get("state") not in _FACTORY_STATES:
        yield f"the state {status.get('state')!r}"
    for name in ("site_hostname", "site_version"):
        if status.get(name) is not None:
            yield f"a {name}"
    records = status.get("records")
    if not isinstance(records, dict):
        yield _ODD
    elif full := sorted(name for name, count in records.items() if count):
        yield f"a count of {', '.join(full)}"
    if status.get("active_sessions"):
        yield "active sessions"


def _of_network(network: dict[str, JsonValue]) -> Iterator[str]:
    addresses = network.get("addresses")
    if not isinstance(addresses, list):
        yield _ODD
    elif shared := [entry for entry in addresses if not isinstance(entry, dict) or entry.get("shared")]:
        yield counted(len(shared), "shared address", "shared addresses")
    for name in ("routes", "ntp_servers"):
        if network.get(name):
            yield name


def _of_accounts(accounts: dict[str, JsonValue]) -> Iterator[str]:
    if accounts.get("api_accounts"):
        yield "API accounts"
    admins = accounts.get("admins")
    match admins:
        case [{"must_change_password": True}]:
            pass
        case _:
            yield "other admins than the factory's"


def _of_tls(tls: dict[str, JsonValue]) -> Iterator[str]:
    if tls.get("ciphers"):
        yield "chosen ciphers"


_BY_KIND: dict[str, Callable[[dict[str, JsonValue]], Iterator[str]]] = {
    "status": _of_status,
    "network": _of_network,
    "accounts": _of_accounts,
    "tls": _of_tls,
}


def _left(what: str) -> Finding:
    return Finding(Verdict.FAILED, what)


def _untold(what: str) -> Finding:
    return Finding(Verdict.UNKNOWN, what)
