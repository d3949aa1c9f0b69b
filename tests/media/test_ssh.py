"""A machine reached by SSH is recognised by its host key before anything is sent, and a stick there is as one here."""

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from tests.media.ssh_server import Guard, Listening, ssh_server
from toolkit.media.remote import RemoteVolume
from toolkit.media.ssh import agent_at, fingerprint
from toolkit.model.carry import SshStation
from toolkit.model.errors import InputError, RefusedError, UnreachableError, VerificationError


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ssh") / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(path))
    return path


@pytest.fixture(scope="module")
def server(key_file: Path) -> Iterator[Listening]:
    with ssh_server(paramiko.PKey.from_path(key_file)) as listening:
        yield listening


def station(server: Listening, **other: object) -> SshStation:
    known = fingerprint(server.host_key.asbytes())
    fields = {"driver": "ssh", "address": "127.0.0.1", "port": server.port, "key_file": "key", "host_key": known}
    return SshStation.model_validate({**fields, **other})


def test_a_stick_there_is_written_and_read_as_one_here(server: Listening, key_file: Path, tmp_path: Path) -> None:
    image = tmp_path / "stick.img"
    with image.open("wb") as file:
        file.truncate(40 << 20)
    subprocess.run(["/usr/sbin/mkfs.vfat", "-F", "32", image], check=True, capture_output=True)
    content = bytes(range(256)) * 20_000
    with agent_at(station(server), key_file, None) as talk:
        talk.ask("hold", path=str(image))
        volume = RemoteVolume(talk, writing=True)
        volume.write("settings.age", [content])
        volume.close()
        volume = RemoteVolume(talk, writing=False)
        assert b"".join(volume.read("settings.age")) == content
        volume.close()


def test_the_host_key_may_be_what_the_machine_says_on_its_console(
    server: Listening, key_file: Path, tmp_path: Path
) -> None:
    console = tmp_path / "console.log"
    other = "SHA256:" + "A" * 43
    own = fingerprint(server.host_key.asbytes())
    console.write_text(f"ssh host key: {other} (ED25519)\r\nready\r\nssh host key: {own} (ED25519)\r\n")
    said = station(server, host_key=None, console_file="console.log")
    with agent_at(said, key_file, console) as talk:
        assert isinstance(talk.ask("sticks"), list)
    console.write_text(f"ssh host key: {other} (ED25519)\n")
    with pytest.raises(VerificationError, match="another machine answers"), agent_at(said, key_file, console):
        pass
    console.write_text("booting\n")
    with pytest.raises(UnreachableError, match="has not said"), agent_at(said, key_file, console, patience=0):
        pass


def test_another_machine_is_sent_nothing(server: Listening, key_file: Path) -> None:
    stranger = station(server, host_key="SHA256:" + "A" * 43)
    with pytest.raises(VerificationError) as refused, agent_at(stranger, key_file, None):
        pass
    assert fingerprint(server.host_key.asbytes()) in refused.value.why


def test_who_says_nothing_holds_up_nobody_else(server: Listening, key_file: Path) -> None:
    silent = socket.create_connection(("127.0.0.1", server.port))
    with silent, agent_at(station(server), key_file, None, patience=0) as talk:
        assert isinstance(talk.ask("sticks"), list)


def test_a_key_that_is_not_let_in_is_told(server: Listening, tmp_path: Path) -> None:
    other = tmp_path / "other"
    paramiko.ECDSAKey.generate().write_private_key_file(str(other))
    with pytest.raises(RefusedError, match="does not let us in"), agent_at(station(server), other, None):
        pass


@pytest.mark.parametrize("asked", ["check_auth_publickey", "check_channel_request", "check_channel_exec_request"])
def test_a_machine_that_hangs_up_is_not_said_to_refuse_us(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    with ssh_server(paramiko.PKey.from_path(key_file)) as server:

        def hang_up(*_asked: object) -> int:
            server.connections[-1].close()
            return 0

        monkeypatch.setattr(Guard, asked, hang_up)
        with pytest.raises(UnreachableError, match="has hung up"), agent_at(station(server), key_file, None):
            pass


def test_a_machine_that_does_not_answer_is_waited_for_and_then_told(server: Listening, key_file: Path) -> None:
    nobody = station(server, port=1)
    with pytest.raises(UnreachableError, match="does not answer by SSH"), agent_at(nobody, key_file, None, patience=0):
        pass


def test_a_key_file_that_is_none_or_not_private_is_named(server: Listening, tmp_path: Path) -> None:
    nonsense = tmp_path / "key"
    nonsense.write_text("nonsense\n")
    nonsense.chmod(0o600)
    with pytest.raises(InputError, match="no SSH private key"), agent_at(station(server), nonsense, None):
        pass
    nonsense.chmod(0o644)
    with pytest.raises(InputError, match="read by others"), agent_at(station(server), nonsense, None):
        pass
    with pytest.raises(InputError), agent_at(station(server), tmp_path / "missing", None):
        pass
