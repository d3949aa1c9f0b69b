"""Which TLS the box takes, on every address: its oldest version, and the cipher suites of TLS 1.2."""

import ssl
from collections.abc import Callable, Sequence
from typing import Literal

from toolkit.emulator.appliance.audit import Audit
from toolkit.emulator.appliance.database import Database
from toolkit.emulator.appliance.facts import TlsSettings
from toolkit.emulator.appliance.refusal import invalid
from toolkit.emulator.appliance.tls import suites

_FACT = "tls"


class Tls:
    """`applied` is called with what holds from the next handshake on.

    TLS 1.3 is always taken, with OpenSSL's own suites: no setting can lock its clients out.
    """

    def __init__(self, database: Database, audit: Audit, applied: Callable[[TlsSettings], None]) -> None:
        self._database = database
        self._audit = audit
        self._applied = applied

    def settings(self) -> TlsSettings:
        """As they are."""
        return TlsSettings.model_validate(self._database.fact(_FACT, {}))

    def apply(self) -> None:
        """Makes every listener keep to them."""
        self._applied(self.settings())

    def change(self, by: str, minimum_version: Literal["TLSv1.2", "TLSv1.3"], ciphers: Sequence[str]) -> TlsSettings:
        """Replaces them; 422 `invalid_request` for a suite that OpenSSL does not have for TLS 1.2."""
        wanted = TlsSettings(minimum_version=minimum_version, ciphers=tuple(ciphers))
        known = suites(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        for name in wanted.ciphers:
            if name not in known:
                raise invalid(f"{name!r} is not one of this box's TLS 1.2 cipher suites: {', '.join(known)}.")
        with self._database.change():
            self._database.put_facts(**{_FACT: wanted.model_dump(mode="json")})
            self._audit.record(by, "change-tls", minimum_version=minimum_version, ciphers=[*wanted.ciphers])
        self._applied(wanted)
        return wanted
