"""Requests that two servers could read differently are refused, and nothing that follows them is read (RFC 9112)."""

from collections.abc import Iterator

import pytest

from tests.emulator.web_server.served import GOOD, Served, served, status
from toolkit.emulator.web_server.limits import Limits

HOST = b"Host: box.example.net\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
REFUSED = {
    "length and coding": (400, POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "coding and length": (400, POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    "two lengths": (400, POST + b"Content-Length: 0\r\nContent-Length: 9\r\n\r\n"),
    "the same length twice": (400, POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n"),
    "a list of lengths": (400, POST + b"Content-Length: 0, 0\r\n\r\n"),
    "a length with a sign": (400, POST + b"Content-Length: +0\r\n\r\n"),
    "two codings": (400, POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n"),
    "another coding": (501, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "a coding with a control character": (400, POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n"),
    "a coding in HTTP/1.0": (400, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "bare line feeds": (400, b"GET / HTTP/1.1\nHost: box\n\n"),
    "one bare line feed": (400, b"GET / HTTP/1.1\r\nHost: box\nX: y\r\n\r\n"),
    "a bare carriage return": (400, b"GET / HTTP/1.1\r\nHost: box\rX: y\r\n\r\n"),
    "a folded line": (400, b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n"),
    "a folded first line": (400, b"GET / HTTP/1.1\r\n X: a\r\n" + HOST + b"\r\n"),
    "white space before the colon": (400, b"GET / HTTP/1.1\r\nHost : box\r\n\r\n"),
    "no colon": (400, b"GET / HTTP/1.1\r\n" + HOST + b"X\r\n\r\n"),
    "a null": (400, b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n"),
    "no host": (400, b"GET / HTTP/1.1\r\n\r\n"),
    "an empty host": (400, b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    "two hosts": (400, b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n"),
    "a host that is none": (400, b"GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n"),
    "two spaces": (400, b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n"),
    "HTTP/2.0": (505, b"GET / HTTP/2.0\r\n" + HOST + b"\r\n"),
    "no HTTP": (400, b"hello\r\n\r\n"),
    "a target that is no path": (400, b"GET good HTTP/1.1\r\n" + HOST + b"\r\n"),
    "an asterisk": (400, b"GET * HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a proxy's request": (400, b"CONNECT other.example.net:443 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a long request line": (414, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a long request line that does not end": (414, b"GET /" + b"a" * 9000),
    "a long header": (431, b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40_000 + b"\r\n\r\n"),
    "a header that does not end": (431, b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40_000),
    "many header lines": (431, b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 200 + b"\r\n"),
    "a chunk without a size": (400, CHUNKED + b"\r\n"),
    "a chunk's size that is none": (400, CHUNKED + b"xyz\r\n"),
    "a chunk's size with a prefix": (400, CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n"),
    "a chunk's size with a sign": (400, CHUNKED + b"-1\r\n"),
    "a chunk's size with a space": (400, CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n"),
    "a chunk's size of many digits": (400, CHUNKED + b"0" * 17 + b"5\r\nhello\r\n0\r\n\r\n"),
    "a chunk's line with a bare line feed": (400, CHUNKED + b"5\nhello\r\n0\r\n\r\n"),
    "a second chunk's line with a bare line feed": (400, CHUNKED + b"5\r\nhello\r\n5\nhello\r\n0\r\n\r\n"),
    "a carriage return in a chunk's extension": (400, CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "a chunk longer than its size": (400, CHUNKED + b"3\r\nhello\r\n0\r\n\r\n"),
    "a bare line feed behind the last chunk": (400, CHUNKED + b"0\r\nX: y\n\r\n"),
    "a folded trailer": (400, CHUNKED + b"0\r\nX: y\r\n z\r\n\r\n"),
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("server"), Limits()) as server:
        yield server


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_ambiguous_is_refused_and_the_connection_closed(server: Served, name: str) -> None:
    expected, request = REFUSED[name]
    answer = server.ask(request + SMUGGLED)
    assert status(answer) == expected, answer
    assert answer.count(b"HTTP/1.1 ") == 1, "what follows is not answered"
    assert b"connection: close" in answer.lower()
    assert b"strict-transport-security: max-age=31536000" in answer.lower()
    assert "GET /smuggled" not in server.requests.seen


@pytest.mark.parametrize(
    ("request_", "host", "size"),
    [
        pytest.param(GOOD, "box.example.net", 0, id="a plain one"),
        pytest.param(
            b"GET http://other.example.net/good HTTP/1.1\r\n" + HOST + b"\r\n", "other.example.net", 0, id="URL"
        ),
        pytest.param(b"GET /good HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n", "[2001:db8::1]:443", 0, id="IPv6"),
        pytest.param(b"GET /good HTTP/1.0\r\n\r\n", "", 0, id="HTTP/1.0"),
        pytest.param(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", "box.example.net", 0, id="asterisk"),
        pytest.param(CHUNKED + b"5;a=b\r\nhello\r\n5\r\nworld\r\n0\r\nX: y\r\n\r\n", "box.example.net", 10, id="chunk"),
        pytest.param(CHUNKED + b"000A\r\nhellohello\r\n0\r\n\r\n", "box.example.net", 10, id="leading zeros"),
    ],
)
def test_what_is_right_is_answered_whole_or_byte_by_byte(server: Served, request_: bytes, host: str, size: int) -> None:
    expected = f'{{"host": "{host}", "bytes": {size}}}'.encode()
    for pieces in ([request_], [bytes([byte]) for byte in request_]):
        answer = server.ask(*pieces)
        assert status(answer) == 200, answer
        assert expected in answer
        assert b"strict-transport-security: max-age=31536000" in answer.lower()


def test_requests_one_behind_the_other_are_each_looked_at(server: Served) -> None:
    good = b"GET /first HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = server.ask(good + good + b"GET /bad HTTP/1.1\nHost: box\n\n" + SMUGGLED)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.count(b"HTTP/1.1 400") == 1
    assert "GET /bad" not in server.requests.seen
    assert "GET /smuggled" not in server.requests.seen
