"""What one real name server says."""

import pytest

from tests.probes.conftest import NameServer, wait_until
from toolkit.model.errors import InputError
from toolkit.model.verdict import Verdict
from toolkit.probes.dns import ask, zone_serial


def test_records_time_to_live_and_serial_come_from_the_server_asked(name_server: NameServer) -> None:
    seen = ask("support.example.net", "127.0.0.1", port=name_server.port)
    assert (seen.verdict, seen.answers, seen.ttl, seen.authoritative) == (Verdict.PASSED, ("192.0.2.10",), 60, True)
    six = ask("support.example.net", "127.0.0.1", "AAAA", port=name_server.port)
    assert six.answers == ("2001:db8::10",)
    assert ask("alias.example.net", "127.0.0.1", port=name_server.port).answers == ("192.0.2.10",)
    assert ask("example.net", "127.0.0.1", "SOA", port=name_server.port).serial == 7


def test_a_change_shows_once_the_server_has_it(name_server: NameServer) -> None:
    name_server.serve("192.0.2.20", serial=8, ttl=5)
    name_server.reload()
    wait_until(lambda: zone_serial("example.net", "127.0.0.1", port=name_server.port) == 8)
    seen = ask("support.example.net", "127.0.0.1", port=name_server.port)
    assert (seen.answers, seen.ttl) == (("192.0.2.20",), 5)


def test_what_is_not_there_and_who_is_not_there_are_failures(name_server: NameServer) -> None:
    missing = ask("missing.example.net", "127.0.0.1", port=name_server.port)
    assert (missing.verdict, missing.rcode) == (Verdict.FAILED, "NXDOMAIN")
    refused = ask("example.com", "127.0.0.1", port=name_server.port)
    assert (refused.verdict, refused.rcode) == (Verdict.FAILED, "REFUSED")
    nobody = ask("support.example.net", "127.0.0.1", port=1, timeout_s=0.2)
    assert (nobody.verdict, nobody.rcode) == (Verdict.FAILED, None)
    assert zone_serial("example.net", "127.0.0.1", port=1, timeout_s=0.2) is None


@pytest.mark.parametrize(("name", "record_type"), [("a..b", "A"), ("example.net", "NONSENSE")])
def test_a_question_that_is_none_is_wrong_input(name: str, record_type: str) -> None:
    with pytest.raises(InputError, match="no DNS question"):
        ask(name, "127.0.0.1", record_type)
