"""Turns a template and its values into an answer: one Jinja environment, and the words that all pages share."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import Request
from starlette.responses import HTMLResponse

from toolkit.emulator.appliance.accounts import WebInterface
from toolkit.emulator.appliance.facts import WebSession
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.emulator.appliance.states import BoxState

if TYPE_CHECKING:
    from jinja2 import Environment

MENU: dict[WebInterface, tuple[tuple[str, str, str], ...]] = {
    "appliance": (
        ("Status", "Basics", "/appliance/status/basics"),
        ("Networking", "IP Configuration", "/appliance/networking/ip-configuration"),
        ("Security", "Certificates", "/appliance/security/certificates"),
        ("Support", "Updates", "/appliance/support/updates"),
    ),
    "login": (
        ("Status", "Information", "/login/status/information"),
        ("Users & Security", "Users", "/login/users"),
        ("Management", "Software Management", "/login/management/software"),
    ),
}
"""Section, page and address: the guide's own labels (requirement A1)."""

HEADING: dict[WebInterface, str] = {"appliance": "Appliance administration", "login": "Support site administration"}

DONE = {
    "password": "The password was changed.",
    "clock": "The clock was set.",
    "network": "The network settings were saved.",
    "change-confirmed": "The change of the network settings is kept.",
    "change-reverted": "The change of the network settings was undone.",
    "address-added": "The address was added.",
    "address-on": "The address is enabled.",
    "address-off": "The address is disabled.",
    "address-deleted": "The address was deleted.",
    "imported": "The certificate was imported.",
    "known": "This certificate was here already; nothing was changed.",
    "assigned": "The configuration was saved: the certificate is served on the chosen addresses.",
    "deleted": "The certificate was deleted.",
    "checked": "The list of updates is fresh.",
    "signed": "The licence agreement was signed.",
    "restored": "The settings were restored.",
    "user-added": "The user was added.",
    "user-disabled": "The user was disabled.",
    "user-enabled": "The user was enabled.",
    "logged-out": "You are logged out.",
}
"""What a page says after something was done; the address carries only the key, never text."""


def size_text(count: int) -> str:
    """1234567 as "1.2 MB"."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def time_text(moment: datetime | date | str | None) -> str:
    """A moment as people read it, in UTC; a dash for none."""
    if moment is None or moment == "":
        return "-"
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if isinstance(moment, datetime):
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"{moment:%Y-%m-%d}"


def duration_text(seconds: float) -> str:
    """93784.0 as "1 d 2 h 3 min"; under a minute in seconds."""
    minutes, rest = divmod(int(seconds), 60)
    days, minutes = divmod(minutes, 1440)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count]
    return " ".join(parts) or f"{rest} s"


def fingerprint_text(sha256: str) -> str:
    """Hex in groups of four, so that it can be compared with a console by eye."""
    return " ".join(sha256[start : start + 4] for start in range(0, len(sha256), 4))


def _section(path: str) -> str:
    """The part of an address that pages of one section share: "/appliance/status"."""
    return "/".join(path.split("/")[:3])


@cache
def _environment() -> "Environment":
    # imported here: a box that nobody looks at starts sooner without it
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    # autoescaping is on for every template; none is anything but HTML
    environment = Environment(
        loader=PackageLoader("toolkit.emulator.appliance.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(size=size_text, time=time_text, duration=duration_text, fingerprint=fingerprint_text)
    return environment


def render(
    request: Request,
    template: str,
    interface: WebInterface,
    *,
    session: WebSession | None = None,
    refusal: Refusal | None = None,
    status: int = 200,
    **values: Any,
) -> HTMLResponse:
    """The page; a refusal is shown at its top and gives the answer its status."""
    box = request.app.state.box
    # while a reset destroys the state, the plate on the back is all that can be read
    box_status = None if box.condition.state is BoxState.RESETTING else box.status()
    context: Mapping[str, Any] = {
        "interface": interface,
        "heading": HEADING[interface],
        "menu": MENU[interface],
        "here": _section(request.url.path),
        "section_of": _section,
        "box_status": box_status,
        "box_name": box_status.hostname if box_status else box.identity.serial_number,
        "session": session,
        "refusal": refusal,
        "done": DONE.get(request.query_params.get("done", "")),
        **values,
    }
    headers = {}
    if refusal is not None:
        status = refusal.status
        if refusal.retry_after_seconds is not None:
            headers["Retry-After"] = str(refusal.retry_after_seconds)
    return HTMLResponse(_environment().get_template(template).render(context), status, headers)
