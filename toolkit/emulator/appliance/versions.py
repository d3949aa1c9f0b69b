"""The two software layers of a box: Base, and the site package once there is one (requirement A2)."""

from collections.abc import Callable

from toolkit.emulator.appliance.database import Connection, Database
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.model.version import Version

_CAPABILITIES = (("import-sessions", (12, 1)), ("import-recordings", (12, 2)))
"""What the box can do from which site version on."""


class Versions:
    """`first_site` is called within the transaction that brings the first site package."""

    def __init__(self, database: Database, first_site: Callable[[Connection, str], None]) -> None:
        self._database = database
        self._first_site = first_site

    @property
    def base(self) -> str:
        """Base, e.g. "3.3.2"."""
        return str(self._database.fact("base_version"))

    @property
    def site(self) -> str | None:
        """The site package, e.g. "Bomgar-12.2.0"; None before the first."""
        found: str | None = self._database.fact("site_version")
        return found

    def require_site(self) -> str:
        """The site package; 409 `no_site_package` before the first."""
        if self.site is None:
            raise Refusal(409, "no_site_package", "This box has no site package yet: install one first.")
        return self.site

    @property
    def site_hostname(self) -> str | None:
        """The name users reach the site by; comes with the first site package."""
        found: str | None = self._database.fact("site_hostname")
        return found

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What programs may ask of this box beyond what every box can."""
        if self.site is None:
            return ()
        numbers = Version.parse(self.site).numbers
        return tuple(name for name, since in _CAPABILITIES if numbers >= since)

    def set_base(self, version: str) -> None:
        """Base is now of this version."""
        self._database.put_facts(base_version=version)

    def set_site(self, version: str, *, hostname: str, licences: int, licence_expiry: str) -> None:
        """The site package is now of this version; all of it or nothing."""
        with self._database.change() as connection:
            if self.site is None:
                self._first_site(connection, hostname)
            self._database.put_facts(
                site_version=version, site_hostname=hostname, licences=licences, licence_expiry=licence_expiry
            )
