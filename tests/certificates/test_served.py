"""What is served: the whole chain as sent, by name or without, over IPv4 and IPv6; nobody there is said so."""

import socket

import pytest

from tests.certificates.authority import Authority, Identity, Order
from tests.certificates.server import tls_server
from toolkit.certificates.chain import arrange
from toolkit.certificates.comparison import compare_served
from toolkit.certificates.parsing import parse
from toolkit.certificates.served import Endpoint, fetch, parse_endpoint
from toolkit.model.errors import InputError, UnreachableError
from toolkit.model.verdict import Verdict


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("support.example.com", Endpoint("support.example.com", 443)),
        ("support.example.com:8443", Endpoint("support.example.com", 8443)),
        ("192.0.2.1:1", Endpoint("192.0.2.1", 1)),
        ("[2001:db8::1]:8443", Endpoint("2001:db8::1", 8443)),
        ("[::1]", Endpoint("::1", 443)),
        ("2001:db8::1", Endpoint("2001:db8::1", 443)),
        ("fe80::1%eth0", Endpoint("fe80::1%eth0", 443)),
    ],
)
def test_addresses_are_read(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint
    assert parse_endpoint(str(endpoint)) == endpoint


@pytest.mark.parametrize("text", ["", "host:", "host:0", "host:65536", "host:x", "a b", "[::1", "/etc/x", "[]:443"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_endpoint(text)


def test_the_whole_chain_is_fetched_and_equals_what_was_exported(authority: Authority, site: Identity) -> None:
    exported = arrange(parse(site.pem + authority.intermediate.pem + site.key_pem))
    with tls_server([site, authority.intermediate]) as port:
        served = fetch(Endpoint("127.0.0.1", port))
    assert served.chain == (site.der, authority.intermediate.der)
    assert served.tls_version == "TLSv1.3"
    assert compare_served(exported, served.chain).verdict is Verdict.PASSED
    with tls_server([site]) as port:
        short = fetch(Endpoint("127.0.0.1", port))
    assert compare_served(exported, short.chain).verdict is Verdict.FAILED


def test_the_name_decides_what_is_served(authority: Authority, site: Identity) -> None:
    other = authority.issue(Order("other.example.com", names=("other.example.com",)))
    with tls_server([site], by_name={"other.example.com": [other]}) as port:
        assert fetch(Endpoint("127.0.0.1", port)).chain == (site.der,)
        assert fetch(Endpoint("127.0.0.1", port), server_name="other.example.com").chain == (other.der,)


def test_a_host_name_is_resolved_and_ipv6_reached(site: Identity) -> None:
    with tls_server([site]) as port:
        assert fetch(Endpoint("localhost", port)).address == "127.0.0.1"
    with tls_server([site], host="::1") as port:
        assert fetch(Endpoint("::1", port)).chain == (site.der,)


def test_nobody_there_no_tls_and_no_such_name_are_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UnreachableError, match="in time"):
            fetch(Endpoint("127.0.0.1", port), timeout_seconds=0.2)
    with pytest.raises(UnreachableError, match="refused"):
        fetch(Endpoint("127.0.0.1", port))
    with pytest.raises(UnreachableError, match="resolved"):
        fetch(Endpoint("does-not-exist.invalid", 443))
