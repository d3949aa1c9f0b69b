"""The authorities of this machine: those in the one file, and those that are only in the folder."""

import subprocess
from pathlib import Path

import pytest

from tests.probes.conftest import Authority, TlsServer
from toolkit.model.verdict import Verdict
from toolkit.probes.system_anchors import system_anchors
from toolkit.probes.tls import observe


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of authorities, and `store.pem` beside it: the only ones this process knows."""
    folder = tmp_path / "store"
    folder.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "store.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    return folder


def put(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    # makes the links by which OpenSSL finds them
    subprocess.run(["openssl", "rehash", str(folder)], check=True, capture_output=True)


def test_an_authority_that_is_only_in_the_folder_is_trusted(
    store: Path, tls_server: TlsServer, authority: Authority
) -> None:
    assert system_anchors() == ()
    assert observe("127.0.0.1", tls_server.port, server_name="support.example.net").verdict is Verdict.FAILED
    put(store, "ours.pem", authority.pem)
    assert system_anchors() == (authority.certificate,)
    assert observe("127.0.0.1", tls_server.port, server_name="support.example.net").verdict is Verdict.PASSED


def test_file_and_folder_count_together_and_nobody_twice(store: Path, authority: Authority) -> None:
    other = Authority()
    store.with_name("store.pem").write_bytes(authority.pem + other.pem)
    put(store, "ours.pem", authority.pem)
    assert set(system_anchors()) == {authority.certificate, other.certificate}
    assert len(system_anchors()) == 2


def test_a_file_that_openssl_would_not_find_does_not_count(store: Path, authority: Authority) -> None:
    (store / "not-linked.pem").write_bytes(authority.pem)
    assert system_anchors() == ()


def test_one_that_cannot_be_read_takes_no_other_with_it(store: Path, authority: Authority) -> None:
    spoilt = authority.pem.replace(authority.pem[40:60], b"A" * 20)
    store.with_name("store.pem").write_bytes(b"# comment\n" + spoilt + authority.pem)
    assert system_anchors() == (authority.certificate,)
