"""Chain validation, P-256, four certificates deep: ours, pyhanko's validator, and one `openssl verify` per chain."""

import asyncio
import importlib.util
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from benchmarks.arena import Arena, Row, compare, not_measured
from toolkit.certificates.parsing import load_chain
from toolkit.certificates.trust import Anchors

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SECONDS = 0.5
GOAL = 8.0
UNIT = "chains/s"
WORK = "chain validation, P-256, depth 4"
AS_A_COMMAND = f"{WORK}, as `rebox cert verify` does it"
ALONE = f"{WORK}, validation alone, each library's own loader"
PYHANKO, PYHANKO_MODULE = "pyhanko-certvalidator", "pyhanko_certvalidator"
WHOLE_NOTE = "ours reads every certificate whole first, so that a malformed one is named; the peer loads it lazily"
ALONE_NOTE = "both load lazily, which rebox itself never does"
PROCESS_NOTE = "the reference has this peer, but no goal for it; most of its time is the start of a process"


def run(_arena: Arena) -> list[Row]:
    """Chains per second, from DER to the verdict."""
    chain = make_chain()
    rows = _beside_pyhanko(chain)
    with TemporaryDirectory(prefix="rebox-bench-") as name:
        openssl = with_openssl(chain, Path(name))
        peer = "openssl verify, a process for each"
        rows.append(_row(AS_A_COMMAND, as_a_command(chain), openssl, peer, note=PROCESS_NOTE))
    return rows


def _beside_pyhanko(chain: list[bytes]) -> list[Row]:
    if importlib.util.find_spec(PYHANKO_MODULE) is None:
        missing = partial(not_measured, peer_name=PYHANKO, why=f"{PYHANKO} is not installed", unit=UNIT, goal=GOAL)
        return [missing(AS_A_COMMAND), missing(ALONE)]
    peer = with_pyhanko(chain)
    return [
        _row(AS_A_COMMAND, as_a_command(chain), peer, PYHANKO, goal=GOAL, note=WHOLE_NOTE),
        _row(ALONE, validation_alone(chain), peer, PYHANKO, goal=GOAL, note=ALONE_NOTE),
    ]


def _row(
    work: str,
    ours: Callable[[], None],
    peer: Callable[[], None],
    peer_name: str,
    *,
    goal: float | None = None,
    note: str,
) -> Row:
    return compare(
        work,
        lambda: per_second(ours),
        lambda: per_second(peer),
        peer_name=peer_name,
        goal=goal,
        unit=UNIT,
        better="more",
        note=note,
    )


def per_second(validate: Callable[[], None]) -> float:
    """How often it is done in a second."""
    started, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < SECONDS:
        validate()
        count += 1
    return count / passed


def make_chain() -> list[bytes]:
    """Leaf, two intermediates, root, in DER."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(4)]
    names = ["support.example.com", "Issuing CA", "Policy CA", "Root CA"]
    chain = []
    for level, key in enumerate(keys):
        above = min(level + 1, 3)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(names[level]))
            .issuer_name(_name(names[above]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=90))
            .add_extension(x509.BasicConstraints(level > 0, None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[above].public_key()), critical=False)
            .add_extension(_usage(signs=level > 0), critical=True)
        )
        if level == 0:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(names[0])]), critical=False)
        chain.append(builder.sign(keys[above], hashes.SHA256()).public_bytes(Encoding.DER))
    return chain


def as_a_command(chain: list[bytes]) -> Callable[[], None]:
    anchors = _anchors(chain)

    def validate() -> None:
        leaf, *intermediates = load_chain(chain[:-1]).certificates
        assert len(anchors.path(leaf, intermediates, NOW)) == 4  # noqa: S101

    return validate


def validation_alone(chain: list[bytes]) -> Callable[[], None]:
    anchors = _anchors(chain)

    def validate() -> None:
        leaf, *intermediates = (x509.load_der_x509_certificate(encoding) for encoding in chain[:-1])
        assert len(anchors.path(leaf, intermediates, NOW)) == 4  # noqa: S101

    return validate


def _anchors(chain: list[bytes]) -> Anchors:
    return Anchors([x509.load_der_x509_certificate(chain[-1])], source="benchmark")


def with_pyhanko(chain: list[bytes]) -> Callable[[], None]:
    # by name: they may be missing, for the type checker as well
    certificates = importlib.import_module("asn1crypto.x509")
    pyhanko = importlib.import_module(PYHANKO_MODULE)
    load = certificates.Certificate.load
    root = load(chain[-1])

    async def validate() -> None:
        leaf, *intermediates = (load(encoding) for encoding in chain[:-1])
        context = pyhanko.ValidationContext(trust_roots=[root], moment=NOW, allow_fetching=False)
        validator = pyhanko.CertificateValidator(leaf, intermediate_certs=intermediates, validation_context=context)
        path: Any = await validator.async_validate_usage({"digital_signature"})
        assert len(path) == 4  # noqa: S101

    # one loop for all: starting one for each chain would be counted against the peer
    loop = asyncio.new_event_loop()
    return lambda: loop.run_until_complete(validate())


def with_openssl(chain: list[bytes], folder: Path) -> Callable[[], None]:
    leaf, *above = [x509.load_der_x509_certificate(encoding).public_bytes(Encoding.PEM) for encoding in chain]
    (folder / "leaf.pem").write_bytes(leaf)
    (folder / "untrusted.pem").write_bytes(b"".join(above[:-1]))
    (folder / "root.pem").write_bytes(above[-1])
    command = ["openssl", "verify", "-attime", str(int(NOW.timestamp())), "-no-CApath", "-no-CAstore"]
    files = ["-CAfile", "root.pem", "-untrusted", "untrusted.pem", "leaf.pem"]

    def validate() -> None:
        subprocess.run([*command, *files], cwd=folder, check=True, stdout=subprocess.DEVNULL)

    return validate


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
