"""An SSH server in this process that lets one key in and runs what it is told, as sshd does.

It is paramiko's own, like the client: the client against OpenSSH is shown where machines are moved in a lab.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread

import paramiko


@dataclass(frozen=True)
class Listening:
    """Where it listens, and every connection that it has taken, first one first."""

    port: int
    host_key: paramiko.PKey
    connections: list[paramiko.Transport]


class Guard(paramiko.ServerInterface):  # type: ignore[misc]  # it carries no types
    def __init__(self, allowed: paramiko.PKey) -> None:
        self.allowed = allowed

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return int(paramiko.AUTH_SUCCESSFUL if key == self.allowed else paramiko.AUTH_FAILED)

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        Thread(target=_run, args=(channel, command.decode()), daemon=True).start()
        return True


def _run(channel: paramiko.Channel, command: str) -> None:
    with subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", env={"PATH": os.defpath},
    ) as process:  # fmt: skip
        sending = Thread(target=_send, args=(process, channel), daemon=True)
        sending.start()
        assert process.stdin
        with suppress(OSError):
            while received := channel.recv(1 << 16):
                process.stdin.write(received)
                process.stdin.flush()
        with suppress(OSError):
            process.stdin.close()
        sending.join()
    channel.close()


def _send(process: "subprocess.Popen[bytes]", channel: paramiko.Channel) -> None:
    assert process.stdout
    with suppress(OSError):
        while said := os.read(process.stdout.fileno(), 1 << 16):
            channel.sendall(said)


@contextmanager
def ssh_server(allowed: paramiko.PKey) -> Iterator[Listening]:
    host_key = paramiko.ECDSAKey.generate()
    transports: list[paramiko.Transport] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    transport = paramiko.Transport(connection)
                    transport.add_server_key(host_key)
                    transports.append(transport)
                    # with an event it is negotiated in the transport's own thread: who hangs up or says nothing
                    # holds up nobody else
                    transport.start_server(event=Event(), server=Guard(allowed))

        accepting = Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield Listening(listener.getsockname()[1], host_key, transports)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(10)
            for transport in transports:
                transport.close()
