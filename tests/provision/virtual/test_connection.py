"""libvirt that is not there, or does not want us, is told in words that say what to do; nothing else is written."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.provision.virtual.private_libvirt import PrivateLibvirt
from toolkit.model.errors import AuthenticationError, InputError, ReboxError, UnreachableError
from toolkit.provision.virtual import connection
from toolkit.provision.virtual.connection import connect
from toolkit.provision.virtual.libvirt_errors import LostConnectionError


def refused(uri: str) -> ReboxError:
    with pytest.raises(ReboxError) as error, connect(uri):
        pass
    assert error.value.where == uri
    return error.value


def test_a_libvirt_that_is_not_running(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    error = refused(f"qemu:///system?socket={tmp_path}/libvirt-sock")
    assert isinstance(error, UnreachableError)
    assert "No such file or directory" in error.why
    assert "systemctl start libvirtd" in error.next_move
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("uri", ["qemu+ssh://root@127.0.0.1:1/system", "qemu+tcp://127.0.0.1:1/system"])
def test_a_host_that_does_not_answer(uri: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert isinstance(refused(uri), UnreachableError)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("words", ["Host key verification failed.", "root@host-2: Permission denied (publickey)."])
def test_a_host_that_ssh_does_not_know_or_that_does_not_know_us(tmp_path: Path, words: str) -> None:
    ssh = tmp_path / "ssh"
    # like the real one, it is still there when libvirt says its first words
    ssh.write_text(f"#!/bin/sh\nhead -c 4 >/dev/null\necho '{words}' >&2\nexit 255\n")
    ssh.chmod(0o755)
    error = refused(f"qemu+ssh://root@host-2/system?command={ssh}")
    assert isinstance(error, AuthenticationError)
    assert words.removesuffix(".") in error.why
    assert "known_hosts" in error.next_move


@pytest.mark.parametrize("uri", ["qemu+carrier://host/system", "not a uri"])
def test_a_uri_that_leads_nowhere_is_wrong_input(uri: str) -> None:
    assert isinstance(refused(uri), InputError)


def test_tls_without_certificates_is_a_matter_of_rights() -> None:
    assert isinstance(refused("qemu+tls://127.0.0.1:1/system?pkipath=/nowhere"), AuthenticationError)


@pytest.mark.vm
@pytest.mark.root
def test_a_user_whom_libvirt_does_not_let_in(hypervisor: PrivateLibvirt) -> None:
    program = f"""
import os
from toolkit.model.errors import PermissionDeniedError
from toolkit.provision.virtual.connection import connect
os.setgroups([])
os.setuid(65534)
try:
    with connect({hypervisor.uri!r}):
        raise SystemExit("it was let in")
except PermissionDeniedError as error:
    print(error.next_move)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Become a member of the group libvirt" in done.stdout
    assert done.stderr == ""


@pytest.mark.vm
def test_what_a_host_says_of_itself(hypervisor: PrivateLibvirt) -> None:
    with connect(hypervisor.uri) as host:
        facts = host.facts()
        assert host.is_local
    assert facts.uuid == "4e9c1f3a-7a4e-4b8e-9d5d-0c1f6ab0cd01"
    assert not facts.offers_kvm
    assert facts.qemu_version > 6_000_000


@pytest.mark.vm
def test_a_remote_host_that_falls_silent_is_given_up(
    hypervisor: PrivateLibvirt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_SILENT_SECONDS", 1)
    monkeypatch.setattr(connection, "_SILENT_TIMES", 2)
    with connect(hypervisor.remote_uri()) as host:
        assert not host.is_local
        assert host.facts().uuid == "4e9c1f3a-7a4e-4b8e-9d5d-0c1f6ab0cd01"
        with hypervisor.frozen(), pytest.raises(LostConnectionError, match="keepalive timeout"):
            host.facts()
