"""The lab's certificates are what openssl accepts."""

import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from toolkit.lab.authority import Authority


def test_openssl_verifies_a_site_certificate_by_way_of_the_intermediate(tmp_path: Path) -> None:
    authority = Authority("test")
    issued = authority.issue(("support.example.net",))
    (tmp_path / "ca.pem").write_bytes(authority.root_pem)
    (tmp_path / "chain.pem").write_bytes(issued.chain_pem)
    (tmp_path / "key.pem").write_bytes(issued.key_pem)

    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "support.example.net"]
    files = ["-CAfile", "ca.pem", "-untrusted", "chain.pem", "chain.pem"]
    subprocess.run([*command, *files], cwd=tmp_path, check=True, capture_output=True)
    without = subprocess.run(
        [*command, "-CAfile", "ca.pem", "chain.pem"], cwd=tmp_path, check=False, capture_output=True
    )

    assert without.returncode != 0, "the chain must need its intermediate"
    certificates = x509.load_pem_x509_certificates(issued.chain_pem)
    assert len(certificates) == 2, "a server sends no root"
    assert issued.sha256 == certificates[0].fingerprint(hashes.SHA256()).hex()
