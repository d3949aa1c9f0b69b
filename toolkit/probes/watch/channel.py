"""What a worker measures goes to the supervisor as messages, so that no worker ever waits for a disk."""

import json
import os
import socket
from collections.abc import Mapping

_MESSAGE_BYTES_MAX = 48 * 1024
_KEPT_BYTES_MAX = 8 * 2**20
_FINISH_S = 5.0


class Channel:
    """A worker's end: bytes are gathered and handed over in whole messages, each of which is appended at once.

    When the supervisor is busy they are kept, up to a limit, and handed over later.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        end.setblocking(False)
        self._pieces: list[bytes] = []
        self._bytes = 0
        self._waiting: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """Takes one whole record."""
        self._pieces.append(piece)
        self._bytes += len(piece)
        if self._bytes >= _MESSAGE_BYTES_MAX:
            self.flush()

    def add_line(self, value: Mapping[str, object]) -> None:
        """Takes one JSON line and hands it over at once."""
        self.add(json.dumps(value).encode() + b"\n")
        self.flush()

    def flush(self) -> None:
        """Hands over what was gathered, without ever waiting."""
        if self._pieces:
            self._waiting.append(b"".join(self._pieces))
            self._pieces.clear()
            self._bytes = 0
        while self._waiting:
            try:
                self._end.send(self._waiting[0])
            except (BlockingIOError, TimeoutError):
                if sum(map(len, self._waiting)) > _KEPT_BYTES_MAX:
                    self._waiting.pop(0)  # the supervisor hangs: memory stays bounded, the oldest goes
                return
            except OSError:
                os._exit(0)  # the supervisor is gone: nobody would ever read this
            self._waiting.pop(0)

    def finish(self) -> None:
        """Hands over the rest, waiting for the supervisor if need be, and closes."""
        self._end.settimeout(_FINISH_S)
        self.flush()
        self._end.close()


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """The supervisor's end and the worker's; messages keep their bounds."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**20)
    return ours, theirs
