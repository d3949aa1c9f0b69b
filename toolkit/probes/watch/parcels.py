"""What passes between a watch here and its workers on another machine: words, and what each worker measured.

Python's own library only.
"""

import json
import struct
from typing import IO, Any

_HEAD = struct.Struct("!HI")
_BYTES_MAX = 2**22
READY = 1
"""The version of what both sides understand."""


class GoneError(Exception):
    """The other side has ended, or says what nobody understands; its text says which."""


def send(writer: IO[bytes], name: str, content: bytes) -> None:
    """Sends what belongs to the file `name`; raises OSError, ValueError when the other side has gone."""
    writer.write(_HEAD.pack(len(name), len(content)) + name.encode() + content)
    writer.flush()


def tell(writer: IO[bytes], words: dict[str, Any]) -> None:
    """Sends words; raises as `send`."""
    send(writer, "", json.dumps(words).encode())


def receive(reader: IO[bytes]) -> tuple[str, bytes]:
    """The next parcel, its name empty for words; raises GoneError."""
    name_size, size = _HEAD.unpack(_exactly(reader, _HEAD.size))
    if size > _BYTES_MAX:
        raise GoneError("it says what nobody understands")
    return _exactly(reader, name_size).decode(errors="replace"), _exactly(reader, size)


def words_of(content: bytes) -> dict[str, Any]:
    """Words as they were told; raises GoneError for anything else."""
    try:
        words = json.loads(content)
    except ValueError:
        words = None
    if not isinstance(words, dict):
        raise GoneError("it says what nobody understands")
    return words


def _exactly(reader: IO[bytes], size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        try:
            more = reader.read(size - len(data))
        except (OSError, EOFError, ValueError) as error:
            raise GoneError(str(error) or type(error).__name__) from None
        if not more:
            raise GoneError("the connection has ended")
        data += more
    return bytes(data)
