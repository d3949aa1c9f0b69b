"""Another machine, reached by SSH: recognised by its host key, and given the agent that does the work there."""

import base64
import hashlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, TypeVar

from toolkit.disks.refusal import Failed
from toolkit.media.agent_archive import STICKS, WATCH, Program
from toolkit.media.remote import Talk
from toolkit.model.carry import SshStation
from toolkit.model.errors import InputError, ReboxError, RefusedError, UnreachableError, VerificationError, words_of
from toolkit.probes.watch.parcels import READY, GoneError, receive
from toolkit.probes.watch.parcels import words_of as words_said
from toolkit.storage.given_file import read_given_text

if TYPE_CHECKING:
    import paramiko

_SAID = re.compile(r"^ssh host key: (SHA256:[A-Za-z0-9+/]{43})\b", re.M)
_CONNECT_SECONDS = 10.0
_SILENT_SECONDS = 60.0
_INTERVAL_SECONDS = 0.5

Begun = TypeVar("Begun")


class SshHost(Protocol):
    """Another machine, as an inventory names it."""

    @property
    def address(self) -> str: ...  # noqa: D102
    @property
    def port(self) -> int: ...  # noqa: D102
    @property
    def username(self) -> str: ...  # noqa: D102
    @property
    def host_key(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True)
class _Wanted:
    """What a machine is wanted for, in words, and whose `host_key` and `key_file` stand in the inventory."""

    machine: str
    table: str


@contextmanager
def agent_at(station: SshStation, key_file: Path, console: Path | None, *, patience: float = 60.0) -> Iterator[Talk]:
    """A talk with an agent on that machine, which ends with it; `console` is where a machine says its host key.

    A machine that has just been switched on is waited for, `patience` seconds. Raises UnreachableError, RefusedError
    for a key that it does not take, VerificationError for another host key, InputError for a key file that is none.
    """
    wanted = _Wanted("the machine that the stick is plugged into", "carry")
    with _program_at(station, key_file, STICKS, wanted, console=console, patience=patience, begin=Talk) as talk:
        yield talk


@contextmanager
def watch_at(
    host: SshHost, name: str, key_file: Path, *, patience: float = 5.0
) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Both ends of a talk with the workers of a watch on that machine (`probes/watch/far.py`); raises as `agent_at`."""

    def begin(reader: IO[bytes], writer: IO[bytes]) -> tuple[IO[bytes], IO[bytes]]:
        try:
            if words_said(receive(reader)[1]).get("ready") != READY:
                raise Failed("its program is of another version")
        except GoneError as error:
            raise Failed(str(error)) from None
        return reader, writer

    place = f"the vantage point {name}"
    with _program_at(
        host, key_file, WATCH, _Wanted(place, place), console=None, patience=patience, begin=begin
    ) as ends:
        yield ends


@contextmanager
def _program_at(
    host: SshHost,
    key_file: Path,
    program: Program,
    wanted: _Wanted,
    *,
    console: Path | None,
    patience: float,
    begin: Callable[[IO[bytes], IO[bytes]], Begun],
) -> Iterator[Begun]:
    key = _key(key_file, wanted)
    deadline = time.monotonic() + patience
    transport = _transport(host, wanted, deadline)
    try:
        _recognise(transport, host, wanted, console, deadline)
        _sign_in(transport, host, wanted, key)
        yield _started(transport, host, wanted, program, begin)
    finally:
        transport.close()


def _transport(station: SshHost, wanted: _Wanted, deadline: float) -> "paramiko.Transport":
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
                    f"{wanted.machine} does not answer by SSH",
                    where=_where(station),
                    why=words_of(error),
                    next_move="Check that it is on and that sshd runs there; then resume.",
                ) from None
            time.sleep(_INTERVAL_SECONDS)
        else:
            return transport


def _recognise(
    transport: "paramiko.Transport", station: SshHost, wanted: _Wanted, console: Path | None, deadline: float
) -> None:
    served = fingerprint(transport.get_remote_server_key().asbytes())
    while (known := station.host_key or _said(console)) is None:
        if time.monotonic() > deadline:
            raise UnreachableError(
                "the machine has not said its host key on its console",
                where=str(console),
                next_move=f"Write {wanted.table}'s host_key into the inventory, as ssh-keygen -l shows it there.",
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


def _sign_in(transport: "paramiko.Transport", station: SshHost, wanted: _Wanted, key: Any) -> None:
    import paramiko  # noqa: PLC0415  as above

    try:
        transport.auth_publickey(station.username, key)
    except (OSError, paramiko.SSHException, EOFError) as error:
        if not transport.is_active():
            raise _lost(wanted, station, error) from None
        raise RefusedError(
            "the machine does not let us in by SSH",
            where=_where(station),
            why=words_of(error),
            next_move=f"Put the public half of {wanted.table}'s key_file into the authorized_keys of "
            f"{station.username} there.",
        ) from None


def _started(
    transport: "paramiko.Transport",
    host: SshHost,
    wanted: _Wanted,
    program: Program,
    begin: Callable[[IO[bytes], IO[bytes]], Begun],
) -> Begun:
    import paramiko  # noqa: PLC0415  as above

    channel: Any = None
    try:
        channel = transport.open_session(timeout=_SILENT_SECONDS)
        channel.settimeout(_SILENT_SECONDS)
        channel.exec_command(program.command)
        writer, reader = channel.makefile_stdin("wb"), channel.makefile("rb")
        writer.write(program.archive())
        writer.flush()
        return begin(reader, writer)
    except (OSError, paramiko.SSHException, EOFError, Failed) as error:
        if not transport.is_active():
            raise _lost(wanted, host, error) from None
        ended = channel is not None and channel.closed
        said = channel.makefile_stderr("rb").read(400).decode(errors="replace").strip() if ended else ""
        raise ReboxError(
            f"the agent does not start on {wanted.machine}",
            where=_where(host),
            why=said or words_of(error),
            next_move="It needs Python 3.11 or newer (Debian: apt-get install python3).",
        ) from None


def _lost(wanted: _Wanted, host: SshHost, error: Exception) -> UnreachableError:
    return UnreachableError(
        f"{wanted.machine} has hung up",
        where=_where(host),
        why=words_of(error),
        next_move="Check that it is on and that sshd runs there; then resume.",
    )


def fingerprint(key: bytes) -> str:
    """A public key as OpenSSH shows it: SHA-256 in base64, without padding."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode("ascii").rstrip("=")


def _key(path: Path, wanted: _Wanted) -> "paramiko.PKey":
    import paramiko  # noqa: PLC0415  as above

    read_given_text(path, next_move=f"Correct {wanted.table}'s key_file.")
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


def _where(station: SshHost) -> str:
    return f"{station.username}@{station.address}:{station.port}"
