"""Every documented call of the automation API (docs/appliance-api.md): which give something away, which change the box.

A box that has been reset is asked every call that gives something, so that none is forgotten; a test holds both tables
against the documentation and against the box's own OpenAPI document. Calls that change the box are never tried out:
one that is open to strangers would do what it says.
"""

from dataclasses import dataclass

from pydantic import JsonValue

from toolkit.model.box import ShownKind

_API = "/api/v1"


@dataclass(frozen=True)
class Giving:
    """A call that gives something; `asked` is the documented path with real values in its placeholders."""

    method: str
    path: str
    kind: ShownKind
    asked: tuple[str, ...] = ()
    body: JsonValue = None

    @property
    def paths(self) -> tuple[str, ...]:
        """What is asked for."""
        return self.asked or (self.path,)


# the numbers a box gives its first certificates: the factory's own, and one that was imported
_CERTIFICATES = ("1", "2")
_NUMBER = "0123456789abcdef"

GIVING = (
    Giving("GET", "/check_health", "open"),
    Giving("GET", f"{_API}/openapi.json", "open"),
    Giving("GET", f"{_API}/reset", "open"),
    Giving("GET", f"{_API}/status", "status"),
    Giving("GET", f"{_API}/network", "network"),
    Giving("GET", f"{_API}/network/changes/{{id}}", "content", (f"{_API}/network/changes/{_NUMBER}",)),
    Giving("GET", f"{_API}/tls", "tls"),
    Giving("GET", f"{_API}/accounts", "accounts"),
    Giving("GET", f"{_API}/certificates", "certificates"),
    Giving(
        "POST",
        f"{_API}/certificates/{{id}}/export",
        "content",
        tuple(f"{_API}/certificates/{number}/export" for number in _CERTIFICATES),
        {"include_key": False, "passphrase": None, "format": "pem"},
    ),
    Giving("GET", f"{_API}/updates", "records"),
    Giving("GET", f"{_API}/updates/{{id}}/eula", "content", (f"{_API}/updates/{_NUMBER}/eula",)),
    Giving("GET", f"{_API}/jobs/{{id}}", "content", (f"{_API}/jobs/{_NUMBER}",)),
    Giving("POST", f"{_API}/backup", "content", (), {"passphrase": None}),
    Giving(
        "GET",
        f"{_API}/settings/{{kind}}",
        "records",
        tuple(f"{_API}/settings/{kind}" for kind in ("users", "teams", "jump-clients", "options")),
    ),
    Giving("GET", f"{_API}/active-sessions", "records"),
    Giving("GET", f"{_API}/sessions", "records", (f"{_API}/sessions?limit=1",)),
    Giving("GET", f"{_API}/recordings/{{lsid}}", "content", (f"{_API}/recordings/{_NUMBER}",)),
    Giving("GET", f"{_API}/audit", "records"),
)

CHANGING = frozenset(
    {
        ("POST", "/oauth2/token"),
        ("POST", "/oauth2/revoke"),
        ("POST", f"{_API}/setup/password"),
        ("PUT", f"{_API}/api-accounts/{{client_id}}"),
        ("PUT", f"{_API}/passwords/{{interface}}"),
        ("PUT", f"{_API}/clock"),
        ("PUT", f"{_API}/network"),
        ("PUT", f"{_API}/network/changes/{{id}}"),
        ("POST", f"{_API}/network/changes/{{id}}/confirm"),
        ("POST", f"{_API}/network/changes/{{id}}/revert"),
        ("POST", f"{_API}/network/addresses"),
        ("PATCH", f"{_API}/network/addresses/{{id}}"),
        ("DELETE", f"{_API}/network/addresses/{{id}}"),
        ("PUT", f"{_API}/tls"),
        ("POST", f"{_API}/certificates/import"),
        ("PUT", f"{_API}/certificates/{{id}}/addresses"),
        ("DELETE", f"{_API}/certificates/{{id}}"),
        ("POST", f"{_API}/updates/check"),
        ("POST", f"{_API}/updates/{{id}}/eula"),
        ("POST", f"{_API}/updates/{{id}}/install"),
        ("POST", f"{_API}/restore"),
        ("POST", f"{_API}/users"),
        ("POST", f"{_API}/users/{{id}}/disable"),
        ("POST", f"{_API}/users/{{id}}/enable"),
        ("POST", f"{_API}/active-sessions"),
        ("DELETE", f"{_API}/active-sessions/{{lsid}}"),
        ("POST", f"{_API}/sessions"),
        ("PUT", f"{_API}/recordings/{{lsid}}"),
        ("POST", f"{_API}/power/reboot"),
        ("POST", f"{_API}/power/shut-down"),
        ("POST", f"{_API}/reset"),
    }
)

SITE_PAGES = (
    "/",
    "/login",
    "/login/log-in",
    "/login/status/information",
    "/login/users",
    "/login/management/software",
)
"""Where the support site's pages are: its portal, and its administration."""

BOX_PAGES = (
    "/appliance",
    "/appliance/log-in",
    "/appliance/status/basics",
    "/appliance/networking/ip-configuration",
    "/appliance/security/certificates",
    "/appliance/support/updates",
)
"""Pages of the box itself: they stay, and may say nothing of the site."""
