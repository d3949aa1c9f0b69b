"""The server serves metadata and packages over TLS, and nothing else; its commands say what is wrong."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.emulator.update_server.authority import Authority
from toolkit.emulator.update_server.__main__ import main
from toolkit.emulator.update_server.repository import Offer, Repository, make_repository
from toolkit.emulator.update_server.server import serving
from toolkit.model.errors import StorageError, UnreachableError


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return make_repository(
        tmp_path / "updates", "https://updates.example.net", offer=Offer("support.example.com"), package_bytes=12_000
    )


def client(authority: Authority, port: int) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    return httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=context, trust_env=False)


def test_metadata_and_packages_are_served_and_keys_are_not(repository: Repository, authority: Authority) -> None:
    with serving(repository, *authority.issue("127.0.0.1")) as port, client(authority, port) as http:
        assert http.get("/metadata/timestamp.json").content == repository.path("timestamp").read_bytes()
        package = repository.target_path("packages/Bomgar-12.2.0.tar")
        assert http.get(f"/targets/packages/{package.name}").content == package.read_bytes()
        for path in (
            "/",
            "/keys/root.pem",
            "/metadata/",
            "/metadata/../keys/root.pem",
            "/metadata/%2e%2e/%2e%2e/keys/root.pem",
        ):
            assert http.get(path).status_code == 404, path


def test_an_address_in_use_is_named(repository: Repository, authority: Authority) -> None:
    certificate = authority.issue("127.0.0.1")
    with (
        serving(repository, *certificate) as port,
        pytest.raises(UnreachableError, match=f"127.0.0.1 port {port}"),
        serving(repository, *certificate, port=port),
    ):
        pass


def test_a_certificate_without_its_key_is_named(repository: Repository, authority: Authority) -> None:
    certificate, _ = authority.issue("127.0.0.1")
    _, strangers_key = authority.issue("127.0.0.1")
    with pytest.raises(StorageError, match="cannot be used"), serving(repository, certificate, strangers_key):
        pass


def test_the_commands_make_spoil_renew_and_serve(tmp_path: Path, authority: Authority) -> None:
    folder, url = str(tmp_path / "made"), "https://updates.example.net"
    assert main(["make", "--folder", folder, "--url", url, "--package-bytes", "12000"]) == 0
    assert main(["renew", "--folder", folder]) == 0
    assert main(["spoil", "--folder", folder, "rolled-back"]) == 0
    assert Repository(Path(folder)).read("timestamp").signed.version == 1

    certificate, key = map(str, authority.issue("127.0.0.1"))
    port = _free_port()
    command = [sys.executable, "-m", "toolkit.emulator.update_server", "serve", "--folder", folder]
    command += ["--address", "127.0.0.1", "--port", str(port), "--certificate", certificate, "--key", key]
    process = subprocess.Popen(command)
    try:
        with client(authority, port) as http:
            assert _first_answer(http).status_code == 200
    finally:
        os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=10) in (0, -signal.SIGTERM)


def test_a_command_on_a_folder_without_repository_ends_with_2_and_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["spoil", "--folder", str(tmp_path), "expired"]) == 2
    assert "no whole update repository" in capsys.readouterr().err


def test_a_repository_with_one_state_only_cannot_be_rolled_back(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["spoil", "--folder", str(repository.folder), "rolled-back"]) == 2
    assert "no older state" in capsys.readouterr().err


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _first_answer(http: httpx.Client) -> httpx.Response:
    deadline = time.monotonic() + 10
    while True:
        try:
            return http.get("/metadata/timestamp.json")
        except httpx.ConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
