"""Another machine, reached by SSH: recognised by its host key, and given the agent that does the work there."""

import base64
import hashlib
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.disks.refusal import Failed
from toolkit.media.agent_archive import COMMAND, agent_archive
from toolkit.media.remote import Talk
from toolkit.model.carry import SshStation
from toolkit.model.errors import InputError, ReboxError, RefusedError, UnreachableError, VerificationError, words_of
from toolkit.storage.given_file import read_given_text

if TYPE_CHECKING:
    import paramiko

_SAID = re.compile(r"^ssh host key: (SHA256:[A-Za-z0-9+/]{43})\b", re.M)
_CONNECT_SECONDS = 10.0
_SILENT_SECONDS = 60.0
_INTERVAL_SECONDS = 0.5


@contextmanager
def agent_at(station: SshStation, key_file: Path, console: Path | None, *, patience: float = 60.0) -> Iterator[Talk]:
    """A talk with an agent on that machine, which ends with it; `console` is where a machine says its host key.

    A machine that has just been switched on is waited for, `patience` seconds. Raises UnreachableError, RefusedError
    for a key that it does not take, VerificationError for another host key, InputError for a key file that is none.
    """
    key = _key(key_file)
    deadline = time.monotonic() + patience
    transport = _transport(station, deadline)
    try:
        _recognise(transport, station, console, deadline)
        _sign_in(transport, station, key)
        yield _agent(transport, station)
    finally:
        transport.close()


def _transport(station: SshStation, deadline: float) -> "paramiko.Transport":
    import paramiko  # noqa: PLC0415  slow to import, and only who carries by SSH needs it

    while True:
        try:
            connection = socket.create_connection((station.address, station.port), _CONNECT_SECONDS)
            transport = paramiko.Transport(connection)
            transport.banner_timeout = _CONNECT_SECONDS
            transport.start_client(timeout=_CONNECT_SECONDS)
            # a server that hangs up just then is asked again
            transport.get_remote_server_key()
        except (OSError, paramiko.SSHException, EOFError) as error:
            if time.monotonic() > deadline:
                raise UnreachableError(
                    "the machine that the stick is plugged into does not answer by SSH",
                    where=_where(station),
                    why=words_of(error),
                    next_move="Check that it is on and that sshd runs there; then resume.",
                ) from None
            time.sleep(_INTERVAL_SECONDS)
        else:
            return transport


def _recognise(transport: "paramiko.Transport", station: SshStation, console: Path | None, deadline: float) -> None:
    served = fingerprint(transport.get_remote_server_key().asbytes())
    while (known := station.host_key or _said(console)) is None:
        if time.monotonic() > deadline:
            raise UnreachableError(
                "the machine has not said its host key on its console",
                where=str(console),
                next_move="Write carry's host_key into the inventory, as ssh-keygen -l shows it on that machine.",
            )
        time.sleep(_INTERVAL_SECONDS)
    if served != known:
        raise VerificationError(
            "another machine answers by SSH, or its host key has changed",
            where=_where(station),
            why=f"its host key is {served}, not {known}",
            next_move="Find out why before anything is entrusted to it; nothing was sent.",
        )


def _said(console: Path | None) -> str | None:
    """The last host key that a machine has said on its console."""
    try:
        text = "" if console is None else console.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    said: list[str] = _SAID.findall(text.replace("\r", ""))
    return said[-1] if said else None


def _sign_in(transport: "paramiko.Transport", station: SshStation, key: Any) -> None:
    import paramiko  # noqa: PLC0415  as above

    try:
        transport.auth_publickey(station.username, key)
    except (OSError, paramiko.SSHException, EOFError) as error:
        if not transport.is_active():
            raise _lost(station, error) from None
        raise RefusedError(
            "the machine does not let us in by SSH",
            where=_where(station),
            why=words_of(error),
            next_move=f"Put the public half of carry's key_file into the authorized_keys of {station.username} there.",
        ) from None


def _agent(transport: "paramiko.Transport", station: SshStation) -> Talk:
    import paramiko  # noqa: PLC0415  as above

    channel: Any = None
    try:
        channel = transport.open_session(timeout=_SILENT_SECONDS)
        channel.settimeout(_SILENT_SECONDS)
        channel.exec_command(COMMAND)
        writer, reader = channel.makefile_stdin("wb"), channel.makefile("rb")
        writer.write(agent_archive())
        writer.flush()
        return Talk(reader, writer)
    except (OSError, paramiko.SSHException, EOFError, Failed) as error:
        if not transport.is_active():
            raise _lost(station, error) from None
        ended = channel is not None and channel.closed
        said = channel.makefile_stderr("rb").read(400).decode(errors="replace").strip() if ended else ""
        raise ReboxError(
            "the agent does not start on the machine that the stick is plugged into",
            where=_where(station),
            why=said or words_of(error),
            next_move="It needs Python 3.11 or newer (Debian: apt-get install python3).",
        ) from None


def _lost(station: SshStation, error: Exception) -> UnreachableError:
    return UnreachableError(
        "the machine that the stick is plugged into has hung up",
        where=_where(station),
        why=words_of(error),
        next_move="Check that it is on and that sshd runs there; then resume.",
    )


def fingerprint(key: bytes) -> str:
    """A public key as OpenSSH shows it: SHA-256 in base64, without padding."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode("ascii").rstrip("=")


def _key(path: Path) -> "paramiko.PKey":
    import paramiko  # noqa: PLC0415  as above

    read_given_text(path, next_move="Correct carry's key_file.")
    if path.stat().st_mode & 0o077:
        raise InputError("the SSH key can be read by others", where=str(path), next_move=f"Run: chmod 600 {path}")
    try:
        return paramiko.PKey.from_path(path)
    except (paramiko.SSHException, ValueError, TypeError):
        raise InputError(
            "this is no SSH private key that can be used",
            where=str(path),
            why="it is none, or it has a passphrase",
            next_move='Make one for this alone: ssh-keygen -t ed25519 -N "" -f FILE',
        ) from None


def _where(station: SshStation) -> str:
    return f"{station.username}@{station.address}:{station.port}"
