"""Takes an identity out of a box and brings it into another, proved by reading it back (requirements H3, H4)."""

import secrets
from collections.abc import Sequence

from toolkit.appliances.protocol import CertificateEntry, Certified
from toolkit.certificates.bundle import Bundle, label, sha256
from toolkit.certificates.chain import arrange
from toolkit.certificates.comparison import same_identity
from toolkit.certificates.export import export
from toolkit.certificates.parsing import parse
from toolkit.model.errors import InputError, VerificationError
from toolkit.model.verdict import Verdict


def choose(entries: Sequence[CertificateEntry], certificate_id: int | None) -> CertificateEntry:
    """The entry of that id, or without one the only one with a key that an authority issued; raises InputError."""
    wanted = [
        entry
        for entry in entries
        if (entry.id == certificate_id if certificate_id else entry.has_key and entry.issued_to != entry.issued_by)
    ]
    if len(wanted) == 1:
        return wanted[0]
    listing = ", ".join(f"{entry.id} ({entry.issued_to})" for entry in entries) or "none"
    raise InputError(
        "the box has no certificate of that id" if certificate_id else "it is not clear which certificate is meant",
        why=f"the box has: {listing}",
        next_move="Name one by --id.",
    )


def take(box: Certified, certificate_id: int) -> Bundle:
    """The identity as the box exports it, encrypted on its way by a passphrase used once; removes nothing.

    Raises CertificateError or InputError when what the box sends cannot be read, and what the driver raises.
    """
    passphrase = secrets.token_urlsafe(24)
    content = box.export_certificate(certificate_id, passphrase)
    where = f"certificate {certificate_id} of the box"
    return arrange(parse(content, passphrase, where=where), where=where)


def bring(box: Certified, bundle: Bundle, addresses: Sequence[str] = ()) -> CertificateEntry:
    """Imports the identity, proves that the box holds just that, then assigns it to `addresses` (none: as it was).

    Harmless when done again. Raises CertificateError when the key is missing or wrong, VerificationError when the box
    gives back something else, and what the driver raises.
    """
    passphrase = secrets.token_urlsafe(24)
    entry = box.import_certificate(export(bundle, passphrase=passphrase), passphrase)
    compared = same_identity(bundle, take(box, entry.id))
    if entry.sha256 != sha256(bundle.leaf) or compared.verdict is not Verdict.PASSED:
        raise VerificationError(
            "the box does not hold what was imported",
            where=label(bundle.leaf.subject),
            why="; ".join(difference.message for difference in compared.differences) or "it names another fingerprint",
            next_move="Delete the entry on the box and import again.",
        )
    return box.assign_certificate(entry.id, addresses) if addresses else entry
