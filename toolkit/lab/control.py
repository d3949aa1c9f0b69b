"""Speaks to a running lab's supervisor: JSON lines over the socket in the lab's folder."""

import json
import os
import socket
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, JsonValue

from toolkit.model.errors import ReboxError, UnreachableError, words_of

_ANSWER_SECONDS = 120.0
SOCKET_NAME = "control.sock"

LAB_ORDERS = ("snapshot", "restore", "crash-hypervisor", "crash-hypervisor-host")
"""What can be asked of a lab of virtual machines as a whole."""

STICK_ORDERS = ("plug-stick", "pull-stick")
"""What can be asked of a lab that has a USB stick."""

KEEP = "keep"
"""What the supervisor is told once the lab is to outlive whoever started it."""


class MachineStatus(BaseModel):
    """One machine as it is now."""

    model_config = ConfigDict(frozen=True)

    role: str
    power: Literal["on", "off"]
    link: Literal["up", "down"]
    process_id: int | None = None
    """The machine's process number of what runs on it, seen from outside the lab; None when nothing does."""
    exit_status: int | None = None
    """How its program ended last; minus the signal's number when a signal ended it."""


class LabStatus(BaseModel):
    """A running lab as it is now."""

    model_config = ConfigDict(frozen=True)

    name: str
    machines: dict[str, MachineStatus]


def socket_address(folder_descriptor: int) -> str:
    """The socket's address by way of its open folder: a path may be longer than the 107 bytes an address can hold."""
    return f"/proc/self/fd/{folder_descriptor}/{SOCKET_NAME}"


def error_from(answer: dict[str, str]) -> ReboxError:
    """The error another process has told of, as one of the same class."""
    kinds: dict[str, type[ReboxError]] = {kind.code: kind for kind in ReboxError.__subclasses__()}
    kind = kinds.get(answer.get("error", ""), ReboxError)
    return kind(
        answer.get("what", "the lab refused"),
        where=answer.get("where", ""),
        why=answer.get("why", ""),
        next_move=answer.get("next_move", ""),
    )


class LabControl:
    """A connection to a running lab; every call raises ReboxError when the lab refuses, or is gone."""

    def __init__(self, connection: socket.socket, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._rest = b""

    @classmethod
    def connect(cls, folder: Path) -> "LabControl":
        """Connects to the lab in that folder; raises UnreachableError when it is not up."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        connection.settimeout(_ANSWER_SECONDS)
        try:
            descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                connection.connect(socket_address(descriptor))
            finally:
                os.close(descriptor)
        except OSError as error:
            connection.close()
            raise _gone(folder, error) from None
        return cls(connection, folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection, not the lab."""
        self._connection.close()

    def status(self) -> LabStatus:
        """The machines as they are now."""
        return LabStatus.model_validate(self._ask(do="status"))

    def power_on(self, machine: str) -> None:
        """Switches a machine on; returns as soon as it has power. Harmless when it is on."""
        self._ask(do="power-on", machine=machine)

    def power_off(self, machine: str) -> None:
        """Lets a machine shut down, at most 10 s long, and takes its power. Harmless when it is off."""
        self._ask(do="power-off", machine=machine)

    def kill(self, machine: str) -> None:
        """Pulls a machine's plug: what runs there is gone without a word."""
        self._ask(do="kill", machine=machine)

    def link(self, machine: str, *, up: bool) -> None:
        """Pulls a machine's network cable, or puts it back."""
        self._ask(do="link-up" if up else "link-down", machine=machine)

    def snapshot(self, label: str) -> None:
        """Keeps memory and disks of the virtual machines under a label; they go on afterwards."""
        self._ask(do="snapshot", label=label)

    def restore(self, label: str) -> None:
        """Has the virtual machines as they were kept under that label."""
        self._ask(do="restore", label=label)

    def plug_stick(self, host: str) -> None:
        """Moves the lab's stick to a box."""
        self._ask(do="plug-stick", label=host)

    def pull_stick(self) -> None:
        """Pulls the lab's stick out, whatever is going on."""
        self._ask(do="pull-stick")

    def crash_hypervisor(self, *, host: bool = False) -> None:
        """Kills the libvirt daemon and starts it again; with `host`, every virtual machine loses its power, too."""
        self._ask(do="crash-hypervisor-host" if host else "crash-hypervisor")

    def _ask(self, **request: JsonValue) -> dict[str, Any]:
        try:
            self._connection.sendall(json.dumps(request).encode() + b"\n")
            answer: dict[str, Any] = json.loads(self._line())
        except (OSError, ValueError) as error:
            raise _gone(self._folder, error) from None
        if "error" in answer:
            raise error_from(answer)
        return answer

    def _line(self) -> bytes:
        while b"\n" not in self._rest:
            received = self._connection.recv(65536)
            if not received:
                raise ConnectionResetError("the lab's supervisor has gone")
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\n")
        return line


def _gone(folder: Path, error: Exception) -> UnreachableError:
    return UnreachableError(
        f"lab {folder.name} is not up",
        where=str(folder),
        why=words_of(error),
        next_move=f"Bring it up: rebox lab up --name {folder.name}",
    )
