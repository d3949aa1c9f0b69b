"""Talks to QEMU (QMP) and to the guest's agent: one JSON object a line, over a UNIX socket."""

import json
import socket
import time
from base64 import b64decode
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_SECONDS_MAX = 120.0


class JsonSocket:
    """A connection; `call` is a command with its answer."""

    def __init__(self, place: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(_SECONDS_MAX)
        self._socket.connect(str(place))
        self._lines = self._socket.makefile("r", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._socket.close()

    def call(self, command: str, **arguments: object) -> Any:
        """What it returns; AssertionError when it refuses."""
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while line := self._lines.readline():
            answer = json.loads(line)
            assert "error" not in answer, f"{command}: {answer['error']}"
            if "return" in answer:
                return answer["return"]
        raise AssertionError(f"{command}: the other side hung up")


def run_in_guest(agent: JsonSocket, *command: str) -> tuple[int, str]:
    """Exit status and output of a command in the guest."""
    path, *words = command
    number = agent.call("guest-exec", path=path, arg=words, **{"capture-output": True})["pid"]
    deadline = time.monotonic() + _SECONDS_MAX
    while time.monotonic() < deadline:
        status = agent.call("guest-exec-status", pid=number)
        if status["exited"]:
            return status["exitcode"], b64decode(status.get("out-data", "")).decode()
        time.sleep(0.1)
    raise AssertionError(f"{command} did not end in the guest")
