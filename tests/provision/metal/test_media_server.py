"""The server of one file: whoever knows the URL gets that file, and nobody anything else."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from toolkit.appliances.connection import PinnedContext
from toolkit.model.errors import InputError
from toolkit.provision.metal.media_server import Fetch, MediaServer, serve_media

CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def media(tmp_path: Path) -> Iterator[MediaServer]:
    (tmp_path / "installer.iso").write_bytes(CONTENT)
    with serve_media(tmp_path / "installer.iso", "127.0.0.1") as server:
        yield server


def client(media: MediaServer) -> httpx.Client:
    assert media.certificate is not None
    return httpx.Client(transport=httpx.HTTPTransport(verify=PinnedContext.of({media.certificate.sha256})))


def test_a_bmc_asks_how_long_it_is_and_fetches_it_in_pieces(media: MediaServer) -> None:
    with client(media) as bmc:
        head = bmc.head(media.media_url)
        assert (head.headers["content-length"], head.headers["accept-ranges"]) == (str(len(CONTENT)), "bytes")
        assert (media.asked_for, media.sent_bytes) == (True, 0)
        part = bmc.get(media.media_url, headers={"Range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, CONTENT[1000:2000])
        assert part.headers["content-range"] == f"bytes 1000-1999/{len(CONTENT)}"
        assert bmc.get(media.media_url).content == CONTENT
        assert bmc.get(media.media_url, headers={"Range": "bytes=99999999-"}).status_code == 416
    assert media.fetches == (
        Fetch("127.0.0.1", "HEAD", 200, 0),
        Fetch("127.0.0.1", "GET", 206, 1000),
        Fetch("127.0.0.1", "GET", 200, len(CONTENT)),
    )


@pytest.mark.parametrize(
    "path", ["/", "/installer.iso", "/../installer.iso", "/report", "/%2e%2e/etc/passwd", "/\u00fc"]
)
def test_whoever_does_not_know_the_url_gets_nothing(media: MediaServer, path: str) -> None:
    with client(media) as stranger:
        answer = stranger.get(f"https://127.0.0.1:{media.port}{path}")
    assert (answer.status_code, answer.content) == (404, b"")
    assert not media.asked_for


def test_no_two_urls_are_the_same_and_each_ends_with_its_step(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    with serve_media(tmp_path / "a", "127.0.0.1") as first:
        pass
    with serve_media(tmp_path / "a", "127.0.0.1") as second:
        assert first.media_url.rpartition("/")[2] != second.media_url.rpartition("/")[2]
    with client(first) as late, pytest.raises(httpx.ConnectError):
        late.get(first.media_url)


def test_the_installer_reports_with_its_token_only(media: MediaServer) -> None:
    with client(media) as installer:
        right = {"Authorization": f"Bearer {media.report_token}"}
        assert installer.post(media.report_url, json={"phase": "started"}, headers=right).status_code == 204
        assert installer.post(media.report_url, json={"phase": "done"}).status_code == 404
        assert installer.post(media.report_url, content=b"[1]", headers=right).status_code == 400
        assert installer.post(media.report_url, content=b"{" * 66000, headers=right).status_code == 413
    assert media.reports() == ({"phase": "started"},)


def test_a_stranger_that_speaks_no_tls_or_says_nothing_keeps_nobody_waiting(media: MediaServer) -> None:
    place = ("127.0.0.1", media.port)
    with socket.create_connection(place), client(media) as bmc, socket.create_connection(place) as noisy:
        noisy.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert bmc.get(media.media_url).content == CONTENT


def test_plain_http_only_where_it_is_wanted_and_then_nothing_is_reported(tmp_path: Path) -> None:
    (tmp_path / "installer.iso").write_bytes(b"iso")
    with serve_media(tmp_path / "installer.iso", "127.0.0.1", plain_http=True) as media:
        assert httpx.get(media.media_url).content == b"iso"
        report = httpx.post(
            f"http://127.0.0.1:{media.port}/report", json={}, headers={"Authorization": f"Bearer {media.report_token}"}
        )
        assert report.status_code == 404


def test_an_address_that_is_not_ours_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"192\.168\.254\.254.*media_address"),
        serve_media(tmp_path, "192.168.254.254"),
    ):
        pass


def test_its_certificate_is_for_its_addresses_and_not_old_tls(media: MediaServer) -> None:
    assert media.certificate is not None
    context = ssl.create_default_context(cadata=media.certificate.certificate.decode())
    raw = socket.create_connection(("127.0.0.1", media.port))
    with context.wrap_socket(raw, server_hostname="127.0.0.1") as wrapped:
        assert wrapped.version() in ("TLSv1.2", "TLSv1.3")
