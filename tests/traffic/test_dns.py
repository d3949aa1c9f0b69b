"""A name is moved by signed updates, and never over somebody else's change (RFC 2136, RFC 8945)."""

import base64
import subprocess

import pytest

from tests.traffic.conftest import NAME, NameServer, free_port
from toolkit.model.errors import AuthenticationError, InputError, RefusedError, UnreachableError
from toolkit.traffic.dns import look_up

OLD = ("10.77.0.21", "fd77::21")
NEW = ("10.77.0.22", "fd77::22")


def dig(server: NameServer, kind: str) -> list[str]:
    command = ["dig", "+short", "@127.0.0.1", "-p", str(server.port), NAME, kind]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_what_the_name_points_at_is_read_with_its_ttl(name_server: NameServer) -> None:
    records = name_server.zone().look_up(NAME)
    assert records.addresses == frozenset(OLD)
    assert records.ttl_seconds == 300


def test_the_name_is_moved_in_one_update_and_back(name_server: NameServer) -> None:
    zone = name_server.zone()
    zone.replace(NAME, OLD, NEW, 30)
    assert zone.look_up(NAME).ttl_seconds == 30
    assert dig(name_server, "A") == ["10.77.0.22"]
    assert dig(name_server, "AAAA") == ["fd77::22"]
    zone.replace(NAME, NEW, OLD, 300)
    assert zone.look_up(NAME).addresses == frozenset(OLD)


def test_moving_from_two_families_to_one_leaves_nothing_behind(name_server: NameServer) -> None:
    name_server.zone().replace(NAME, OLD, ("10.77.0.22",), 30)
    assert dig(name_server, "AAAA") == []


def test_a_change_somebody_else_made_meanwhile_is_not_overwritten(name_server: NameServer) -> None:
    zone = name_server.zone()
    zone.replace(NAME, OLD, ("10.77.0.99",), 30)
    with pytest.raises(RefusedError, match="somebody changed it"):
        zone.replace(NAME, OLD, NEW, 30)
    assert dig(name_server, "A") == ["10.77.0.99"]


def test_a_wrong_tsig_key_is_refused_and_changes_nothing(name_server: NameServer) -> None:
    wrong = base64.b64encode(b"another key of thirty-two bytes!").decode()
    with pytest.raises(AuthenticationError, match="refuses our TSIG key") as caught:
        name_server.zone(secret=wrong).replace(NAME, OLD, NEW, 30)
    assert wrong not in str(caught.value)
    with pytest.raises(AuthenticationError, match="refuses our TSIG key"):
        name_server.zone(key_name="nobody").replace(NAME, OLD, NEW, 30)
    assert dig(name_server, "A") == ["10.77.0.21"]


def test_a_secret_that_is_no_base64_is_named_without_being_shown(name_server: NameServer) -> None:
    with pytest.raises(InputError, match="not base64") as caught:
        name_server.zone(secret="not*base64*at*all")
    assert "not*base64" not in str(caught.value)


def test_another_name_is_not_ours_to_change(name_server: NameServer) -> None:
    with pytest.raises(RefusedError, match="no longer points where it did"):
        name_server.zone().replace("other.example.net", OLD, NEW, 30)


def test_a_silent_server_is_named() -> None:
    with pytest.raises(UnreachableError, match="does not answer"):
        look_up("127.0.0.1", NAME, port=free_port())
