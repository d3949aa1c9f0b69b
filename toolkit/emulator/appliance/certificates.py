"""*Security > Certificates*: what is stored, what it may be used for, and which address serves which (H3, H4)."""

import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Literal

from toolkit.emulator.appliance.audit import Audit
from toolkit.emulator.appliance.certificate_files import Bundle, common_name, read_bundle
from toolkit.emulator.appliance.clock import Clock
from toolkit.emulator.appliance.database import Connection, Database, Row
from toolkit.emulator.appliance.facts import Certificate
from toolkit.emulator.appliance.refusal import Refusal, conflict, not_found
from toolkit.emulator.appliance.tls import server_context


class Certificates:
    """The box's certificates and their keys; every address serves exactly one, at first the factory's.

    `serve` is told an address and the context that answers there from now on.
    """

    def __init__(
        self, database: Database, audit: Audit, clock: Clock, serve: Callable[[str, ssl.SSLContext], None]
    ) -> None:
        self._database = database
        self._audit = audit
        self._clock = clock
        self._serve = serve

    def list(self) -> tuple[Certificate, ...]:
        """All, in the order of their ids."""
        return tuple(self._entry(row) for row in self._database.rows("SELECT * FROM certificates ORDER BY id"))

    def get(self, certificate_id: int) -> Certificate:
        """One; 404."""
        return self._entry(self._row(certificate_id))

    def import_file(self, by: str, content: bytes, passphrase: str | None) -> tuple[Certificate, bool]:
        """The entry, and whether it is new; certificate and key are stored together or not at all.

        Refusal 422: `no_key`, `key_mismatch`, `wrong_passphrase`, `passphrase_required`, `unreadable`, `clock`.
        """
        bundle = read_bundle(content, passphrase)
        self._refuse_outside_validity(bundle)
        known = self._database.row("SELECT id FROM certificates WHERE sha256 = ?", (bundle.sha256,))
        if known is not None:
            return self.get(known["id"]), False
        with self._database.change() as connection:
            certificate_id = lay_certificate(connection, bundle, factory=False)
            self._audit.record(by, "import-certificate", id=certificate_id, sha256=bundle.sha256)
        return self.get(certificate_id), True

    def export(
        self,
        by: str,
        certificate_id: int,
        *,
        include_key: bool,
        passphrase: str | None,
        file_format: Literal["pem", "pkcs12"],
    ) -> tuple[bytes, str]:
        """The file's content and its name, chain included; exporting removes nothing. 404."""
        row = self._row(certificate_id)
        bundle = Bundle.from_pem(row["chain_pem"], row["key_pem"])
        write = bundle.as_pem if file_format == "pem" else bundle.as_pkcs12
        content = write(include_key=include_key, passphrase=passphrase)
        self._audit.record(by, "export-certificate", id=certificate_id, include_key=include_key, format=file_format)
        return content, f"certificate-{certificate_id}.{'pem' if file_format == 'pem' else 'p12'}"

    def assign(self, by: str, certificate_id: int, addresses: Sequence[str]) -> Certificate:
        """Serves it on exactly these addresses from the next handshake on; 404, 422 `unknown_address`.

        Addresses that had it and are not named any more go back to the factory's certificate.
        """
        row = self._row(certificate_id)
        wanted = {_normal(address) for address in addresses}
        with self._database.change() as connection:
            present = {entry["address"] for entry in connection.execute("SELECT address FROM addresses")}
            for address in sorted(wanted - present):
                raise Refusal(422, "unknown_address", f"This box has no address {address}: define it first.")
            connection.execute(
                "UPDATE addresses SET certificate_id = (SELECT id FROM certificates WHERE factory)"
                " WHERE certificate_id = ?",
                (row["id"],),
            )
            connection.executemany(
                "UPDATE addresses SET certificate_id = ? WHERE address = ?", [(row["id"], one) for one in wanted]
            )
            self._audit.record(by, "assign-certificate", id=certificate_id, addresses=[*sorted(wanted)])
        self.serve_all()
        return self.get(certificate_id)

    def delete(self, by: str, certificate_id: int) -> None:
        """No byte of the key stays on the disk; 404, 409 `assigned`.

        409 `conflict` for the factory's own, which every address falls back to.
        """
        row = self._row(certificate_id)
        if row["factory"]:
            raise conflict("The factory's own certificate stays: an address without another one serves it.")
        with self._database.change() as connection:
            in_use = self._addresses(row["id"])
            if in_use:
                raise Refusal(
                    409, "assigned", f"The certificate is served on {', '.join(in_use)}: assign another first."
                )
            connection.execute("DELETE FROM certificates WHERE id = ?", (row["id"],))
            self._audit.record(by, "delete-certificate", id=certificate_id, sha256=row["sha256"])
        self._database.forget()

    def serve_all(self) -> None:
        """Makes every address serve what it is assigned."""
        for address, context in self.contexts().items():
            self._serve(address, context)

    def contexts(self) -> dict[str, ssl.SSLContext]:
        """For each address the context that should answer there."""
        made: dict[int, ssl.SSLContext] = {}
        wanted: dict[str, ssl.SSLContext] = {}
        for row in self._database.rows(
            "SELECT address, certificates.id AS id, chain_pem, key_pem FROM addresses"
            " JOIN certificates ON certificates.id = certificate_id ORDER BY addresses.id"
        ):
            if row["id"] not in made:
                made[row["id"]] = server_context(row["chain_pem"], row["key_pem"])
            wanted[row["address"]] = made[row["id"]]
        return wanted

    def served_on(self, address: str) -> str | None:
        """The SHA-256 of the certificate an address serves."""
        row = self._database.row(
            "SELECT sha256 FROM addresses JOIN certificates ON certificates.id = certificate_id WHERE address = ?",
            (address,),
        )
        return None if row is None else str(row["sha256"])

    def _row(self, certificate_id: int) -> Row:
        row = self._database.row("SELECT * FROM certificates WHERE id = ?", (certificate_id,))
        if row is None:
            raise not_found(f"certificate {certificate_id}")
        return row

    def _addresses(self, certificate_id: int) -> tuple[str, ...]:
        rows = self._database.rows(
            "SELECT address FROM addresses WHERE certificate_id = ? ORDER BY id", (certificate_id,)
        )
        return tuple(row["address"] for row in rows)

    def _entry(self, row: Row) -> Certificate:
        bundle = Bundle.from_pem(row["chain_pem"], row["key_pem"])
        return Certificate(
            id=row["id"],
            name=row["name"],
            issued_to=common_name(bundle.leaf.subject),
            issued_by=common_name(bundle.leaf.issuer),
            not_before=bundle.leaf.not_valid_before_utc,
            not_after=bundle.leaf.not_valid_after_utc,
            sha256=row["sha256"],
            has_key=True,
            chain_length=1 + len(bundle.chain),
            warnings=bundle.findings(self._clock.now(), self._database.fact("site_hostname")),
            addresses=self._addresses(row["id"]),
        )

    def _refuse_outside_validity(self, bundle: Bundle) -> None:
        now = self._clock.now()
        start, end = bundle.leaf.not_valid_before_utc, bundle.leaf.not_valid_after_utc
        if not start <= now <= end:
            raise Refusal(
                422,
                "clock",
                f"This box's clock says {_spoken(now)}, and the certificate is valid from {_spoken(start)} to "
                f"{_spoken(end)}. Set the clock if it is wrong; else renew the certificate.",
            )


def lay_certificate(connection: Connection, bundle: Bundle, *, factory: bool) -> int:
    """Stores a bundle and returns its id."""
    name = "Factory certificate" if factory else common_name(bundle.leaf.subject)
    cursor = connection.execute(
        "INSERT INTO certificates (name, sha256, chain_pem, key_pem, factory) VALUES (?, ?, ?, ?, ?)",
        (name, bundle.sha256, bundle.chain_pem, bundle.key_pem, factory),
    )
    return int(cursor.lastrowid or 0)


def _normal(address: str) -> str:
    try:
        return str(ip_address(address))
    except ValueError:
        raise Refusal(422, "unknown_address", f"{address!r} is not an IP address.") from None


def _spoken(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
