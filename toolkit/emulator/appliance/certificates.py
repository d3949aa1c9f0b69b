"""*Security > Certificates*: what is stored, what it may be used for, and which address serves which."""

from collections.abc import Sequence
from typing import Literal

from toolkit.emulator.appliance.facts import Certificate


class Certificates:
    """The box's certificates and their keys."""

    def list(self) -> tuple[Certificate, ...]:
        """All, in the order of their ids."""
        raise NotImplementedError

    def get(self, certificate_id: int) -> Certificate:
        """One; 404."""
        raise NotImplementedError

    def import_file(self, by: str, content: bytes, passphrase: str | None) -> tuple[Certificate, bool]:
        """The entry, and whether it is new; 422 `no_key`, `key_mismatch`, `wrong_passphrase`, `unreadable`, `clock`…"""
        raise NotImplementedError

    def export(
        self,
        by: str,
        certificate_id: int,
        *,
        include_key: bool,
        passphrase: str | None,
        file_format: Literal["pem", "pkcs12"],
    ) -> tuple[bytes, str]:
        """The file's content and its name; 404, 422."""
        raise NotImplementedError

    def assign(self, by: str, certificate_id: int, addresses: Sequence[str]) -> Certificate:
        """Serves it on exactly these addresses from now on; 404, 422 `unknown_address`."""
        raise NotImplementedError

    def delete(self, by: str, certificate_id: int) -> None:
        """404, 409 `assigned`."""
        raise NotImplementedError
