"""What RFC 9112 allows in a request's head and in chunked framing, and nothing that two readers may read differently.

h11 forgives what senders of old did: bare line feeds, folded lines, Content-Length beside Transfer-Encoding. Somebody
who sends such a thing today wants one server to see another request than the next one does.
"""

import re
from collections.abc import Sequence

from toolkit.emulator.web_server.limits import Limits


class HeadError(Exception):
    """Refused with this status; the connection is closed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_REQUEST_LINE = re.compile(
    rb"(?P<method>[!#$%&'*+.^_`|~0-9A-Za-z-]+) (?P<target>[\x21-\x7e]+) HTTP/(?P<version>\d\.\d)"
)
_FIELD = re.compile(rb"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(?P<value>.*?)[ \t]*")
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~%-]+)(:\d{1,5})?")
_ABSOLUTE = re.compile(rb"https?://(?P<authority>[^/?#@]+)(?P<rest>[/?].*)?", flags=re.IGNORECASE)
_CHUNK_LINE = re.compile(rb"[0-9A-Fa-f]{1,16}(;[\t\x20-\x7e]*)?")
_CHUNK_LINE_BYTES_MAX = 1024


def check_head(received: bytes, limits: Limits) -> None:
    """Raises HeadError as soon as a request's head, of which this much has come, cannot become a good one."""
    end = received.find(b"\r\n\r\n")
    head = received if end < 0 else received[:end]
    _check_sizes(head, limits)
    _check_characters(head)
    if end >= 0:
        first, *lines = head.split(b"\r\n")
        _check_whole(first, lines)


def check_chunk_line(received: bytes) -> bytes | None:
    """What follows the last chunk's line; None where no last chunk begins here. Raises HeadError."""
    line, ended, rest = received.partition(b"\r\n")
    if ended and not _CHUNK_LINE.fullmatch(line):
        raise HeadError(400, "a chunk's size is not a hexadecimal number")
    if not ended and (len(line) > _CHUNK_LINE_BYTES_MAX or b"\n" in line):
        raise HeadError(400, "a chunk's size is not a line")
    return rest if ended and int(line.partition(b";")[0], 16) == 0 else None


def check_trailers(received: bytes, limits: Limits) -> None:
    """Raises HeadError when what follows the last chunk, as far as it has come, is no trailer section."""
    if received.startswith(b"\r\n"):
        return
    end = received.find(b"\r\n\r\n")
    section = received if end < 0 else received[:end]
    _check_sizes(section, limits)
    _check_characters(section)
    if end >= 0:
        _fields(section.split(b"\r\n"))


def absolute(target: bytes) -> tuple[bytes, bytes] | None:
    """Authority and origin form of a target in absolute form (RFC 9112, 3.2.2); None for any other."""
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        return None
    rest = match["rest"] or b"/"
    return match["authority"], rest if rest.startswith(b"/") else b"/" + rest


def _check_sizes(head: bytes, limits: Limits) -> None:
    line = head.partition(b"\r\n")[0]
    if len(line) > limits.request_line_bytes_max:
        raise HeadError(414, "the request line is too long")
    if len(head) > limits.header_bytes_max or head.count(b"\n") > limits.header_lines_max:
        raise HeadError(431, "the header is too long")


def _check_characters(head: bytes) -> None:
    if _BARE.search(head):
        raise HeadError(400, "a line does not end with carriage return and line feed")
    if _CONTROL.search(head):
        raise HeadError(400, "a control character stands in the header")


def _check_whole(first: bytes, lines: Sequence[bytes]) -> None:
    request = _REQUEST_LINE.fullmatch(first)
    if request is None:
        raise HeadError(400, "the first line is no request line")
    version, target = request["version"], request["target"]
    if version not in (b"1.0", b"1.1"):
        raise HeadError(505, "this server speaks HTTP/1.1")
    fields = _fields(lines)
    _check_target(request["method"], target)
    _check_host(version, [value for name, value in fields if name == b"host"])
    _check_framing(version, fields)


def _fields(lines: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    fields = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            raise HeadError(400, "a header line is folded")
        field = _FIELD.fullmatch(line)
        if field is None:
            raise HeadError(400, "a header line has no name right before a colon")
        fields.append((field["name"].lower(), field["value"]))
    return fields


def _check_target(method: bytes, target: bytes) -> None:
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return
    form = absolute(target)
    if form is None or not _HOST.fullmatch(form[0]):
        raise HeadError(400, "the target is no path, no URL of this server, and this server is no proxy")


def _check_host(version: bytes, hosts: Sequence[bytes]) -> None:
    if len(hosts) > 1 or (not hosts and version == b"1.1"):
        raise HeadError(400, "the request does not name its host exactly once")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise HeadError(400, "the host is not a host's name or address")


def _check_framing(version: bytes, fields: Sequence[tuple[bytes, bytes]]) -> None:
    lengths = [value for name, value in fields if name == b"content-length"]
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if lengths and codings:
        raise HeadError(400, "the request has both Content-Length and Transfer-Encoding")
    if len(lengths) > 1 or any(not re.fullmatch(rb"[0-9]{1,18}", value) for value in lengths):
        raise HeadError(400, "Content-Length is not one number")
    if codings and (len(codings) > 1 or version == b"1.0"):
        raise HeadError(400, "Transfer-Encoding stands there twice, or in HTTP/1.0")
    if codings and codings[0].lower() != b"chunked":
        raise HeadError(501, "the only transfer coding is chunked")
