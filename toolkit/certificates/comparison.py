"""Whether two identities are the same, and whether what is served is what was exported (requirements H3, H4)."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509

from toolkit.certificates.bundle import Bundle, der, label, public_bytes, sha256
from toolkit.certificates.findings import Code, Finding, Severity, verdict_of
from toolkit.certificates.parsing import load_certificate
from toolkit.model.verdict import Verdict


@dataclass(frozen=True)
class Comparison:
    """What was expected and seen (SHA-256 of the leaves, hex) and every difference; none: it is the same."""

    expected_sha256: str
    seen_sha256: str | None
    differences: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """PASSED when nothing that matters to a client differs."""
        return verdict_of(self.differences)


def same_identity(expected: Bundle, seen: Bundle) -> Comparison:
    """Compares leaf, intermediates in order, and key; roots are the clients' own and do not count.

    A key on one side only is a difference too: an import has to bring the key along.
    """
    differences = _chain_differences(expected.chain, seen.chain)
    keys = [public_bytes(bundle.key) if bundle.key is not None else None for bundle in (expected, seen)]
    if keys[0] != keys[1]:
        message = "it has another private key" if all(keys) else "its private key is there on one side only"
        differences.append(_difference(expected.leaf, message))
    return Comparison(sha256(expected.leaf), sha256(seen.leaf), tuple(differences))


def compare_served(bundle: Bundle, served_chain: Sequence[bytes]) -> Comparison:
    """Compares what a server sent, DER by DER, with the bundle it was given.

    A root sent along is no difference. Raises CertificateError when a served certificate cannot be read.
    """
    seen = [load_certificate(encoding, where="the served chain") for encoding in served_chain]
    if not seen:
        return Comparison(sha256(bundle.leaf), None, (_difference(bundle.leaf, "no certificate was served"),))
    sent = [seen[0], *(certificate for certificate in seen[1:] if not _root(certificate))]
    return Comparison(sha256(bundle.leaf), sha256(seen[0]), tuple(_chain_differences(bundle.chain, sent)))


def _root(certificate: x509.Certificate) -> bool:
    return certificate.issuer.public_bytes() == certificate.subject.public_bytes()


def _chain_differences(expected: Sequence[x509.Certificate], seen: Sequence[x509.Certificate]) -> list[Finding]:
    leaf = expected[0]
    if der(leaf) != der(seen[0]):
        message = f"another certificate is there: {label(seen[0].subject)}, SHA-256 {sha256(seen[0])}"
        return [_difference(leaf, message)]
    wanted, found = [[der(certificate) for certificate in chain] for chain in (expected, seen)]
    if wanted == found:
        return []
    missing = [certificate for certificate in expected if der(certificate) not in found]
    foreign = [certificate for certificate in seen if der(certificate) not in wanted]
    differences = [
        _difference(leaf, f"{label(certificate.subject)} is missing from the chain") for certificate in missing
    ]
    differences += [
        _difference(leaf, f"{label(certificate.subject)} is in the chain and should not be") for certificate in foreign
    ]
    return differences or [_difference(leaf, "the chain is in another order or repeats itself")]


def _difference(leaf: x509.Certificate, message: str) -> Finding:
    move = "Import the exported file again and assign it to the address."
    return Finding(Code.NOT_AS_EXPORTED, Severity.ERROR, label(leaf.subject), message, move)
