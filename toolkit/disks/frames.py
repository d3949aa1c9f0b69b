"""What passes between the toolkit and its agent on another machine: JSON and pieces of files, each with its length.

A piece of no length ends a file. While the agent is at work it says every few seconds that it is alive: a stick may
take minutes to take what it was given, and a connection that is silent is a dead one.
"""

import json
import struct
from collections.abc import Iterable, Iterator
from threading import Event, Lock, Thread
from typing import IO, Any, Self

from toolkit.disks.refusal import Failed

_HEADER = struct.Struct("!BI")
_WORDS, _PIECE = 1, 2
_BYTES_MAX = 1 << 22
_ENDED = (OSError, EOFError, ValueError)  # as pipes and SSH say it; of a file object that was closed: ValueError
PIECE_BYTES = 1 << 18
ALIVE_SECONDS = 5.0


class Frames:
    """Both directions of one connection; raises Lost when it has ended, Failed for what the other side says wrongly."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes]) -> None:
        self._reader = reader
        self._writer = writer
        self._writing = Lock()

    def tell(self, words: dict[str, Any]) -> None:
        """Sends an object."""
        self._send(_WORDS, json.dumps(words).encode())

    def give(self, chunks: Iterable[bytes]) -> None:
        """Sends a file, and that it is complete; raises what `chunks` raises, after saying so."""
        try:
            for chunk in chunks:
                view = memoryview(chunk)
                for begin in range(0, len(view), PIECE_BYTES):
                    self._send(_PIECE, view[begin : begin + PIECE_BYTES])
        except Lost:
            raise
        except BaseException as error:
            self.tell({"given_up": str(error) or type(error).__name__})
            raise
        self._send(_PIECE, b"")

    def hear(self) -> dict[str, Any]:
        """The next object; that the other side is alive is no news."""
        kind, content = self._receive()
        if kind != _WORDS:
            raise Failed("a piece of a file came where an answer was expected")
        words = _words(content)
        return self.hear() if "alive" in words else words

    def take(self) -> Iterator[bytes]:
        """A file's pieces; raises Interrupted when the other side gives up."""
        while True:
            kind, content = self._receive()
            if kind == _PIECE:
                if not content:
                    return
                yield content
                continue
            words = _words(content)
            if "alive" not in words:
                raise Interrupted(words)

    def drain(self, pieces: Iterator[bytes]) -> None:
        """Lets the rest of a file pass by that nobody wants any more."""
        try:
            for _ in pieces:
                pass
        except Interrupted:
            return

    def _send(self, kind: int, content: bytes | memoryview) -> None:
        try:
            with self._writing:
                self._writer.write(_HEADER.pack(kind, len(content)))
                self._writer.write(content)
                self._writer.flush()
        except _ENDED as error:
            raise Lost(error) from None

    def _receive(self) -> tuple[int, bytes]:
        kind, size = _HEADER.unpack(self._exactly(_HEADER.size))
        if size > _BYTES_MAX:
            raise Failed(f"the other side announces {size} bytes at once")
        return kind, self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            try:
                piece = self._reader.read(size - len(content))
            except _ENDED as error:
                raise Lost(error) from None
            if not piece:
                raise Lost("it ended")
            content += piece
        return content


class Lost(Failed):
    """The connection has ended."""

    def __init__(self, why: object) -> None:
        super().__init__(f"the connection to the other machine is lost: {str(why) or type(why).__name__}")


class Interrupted(Failed):
    """In the middle of a file came words: why it does not go on."""

    def __init__(self, words: dict[str, Any]) -> None:
        super().__init__(str(words.get("given_up", "it was given up")))
        self.words = words


class Alive:
    """Says meanwhile that we are alive."""

    def __init__(self, frames: Frames, seconds: float = ALIVE_SECONDS) -> None:
        self._frames = frames
        self._seconds = seconds
        self._ended = Event()

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._say, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _say(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self._frames.tell({"alive": True})
            except Lost:
                return  # who listened is gone, which the end of the input tells the others


def _words(content: bytes) -> dict[str, Any]:
    try:
        words = json.loads(content)
    except ValueError:
        words = None
    if not isinstance(words, dict):
        raise Failed("the other side said something that is no answer")
    return words
