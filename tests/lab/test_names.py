"""Names in the lab: real BIND, signed updates, and a resolver that remembers for as long as the TTL says."""

import time
from collections.abc import Iterator

import pytest

from toolkit.lab import operator
from toolkit.lab.lab import Lab
from toolkit.lab.nameserver import new_tsig_secret
from toolkit.lab.topology import read_topology

TTL_SECONDS = 3
TOPOLOGY = f"""
name = "names"
[dns]
ttl_seconds = {TTL_SECONDS}
[boxes]
[hosts]
ns = {{ role = "nameserver", number = 2 }}
resolver = {{ role = "resolver", number = 3 }}
operator = {{ role = "operator", number = 10 }}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab.up(read_topology(TOPOLOGY, "names.toml"), state=tmp_path_factory.mktemp("state")) as lab:
        yield lab


def ask(lab: Lab, *question: str) -> list[str]:
    return lab.run("operator", ["dig", "+short", "+tries=1", "+time=2", *question]).stdout.split()


def update(lab: Lab, secret: str, *changes: str) -> str:
    assert lab.description.dns
    key = f"key {lab.description.dns.tsig_algorithm}:{lab.description.dns.tsig_name} {secret}"
    script = "\n".join((f"server {lab.description.dns.server}", key, *changes, "send", ""))
    return lab.run("operator", ["nsupdate"], standard_input=script).stderr


def test_the_zone_names_the_site_and_every_machine(lab: Lab) -> None:
    assert ask(lab, "support.example.net", "A") == ["10.77.0.20"]
    assert ask(lab, "support.example.net", "AAAA") == ["fd77::20"]
    assert ask(lab, "operator.example.net", "AAAA") == ["fd77::10"]


def test_programs_use_the_lab_s_resolver(lab: Lab) -> None:
    seen = lab.run("operator", ["getent", "ahosts", "support"]).stdout

    assert "10.77.0.20" in seen
    assert "fd77::20" in seen
    assert lab.run("operator", ["cat", "/etc/resolv.conf"]).stdout.count("nameserver") == 2


def test_a_signed_update_shows_at_once_at_the_source_and_after_the_ttl_at_the_resolver(lab: Lab) -> None:
    assert lab.description.dns
    secret = operator.secret(lab.folder.operator, operator.TSIG_KEY)
    name = "moving.example.net."
    assert update(lab, secret, f"update add {name} {TTL_SECONDS} A 192.0.2.1") == ""
    assert ask(lab, name) == ["192.0.2.1"]
    remembered = time.monotonic()

    changes = (f"update delete {name} A", f"update add {name} {TTL_SECONDS} A 192.0.2.2")
    assert update(lab, secret, *changes) == ""

    assert ask(lab, f"@{lab.description.dns.server}", name) == ["192.0.2.2"]
    at_the_resolver = ask(lab, name)
    if time.monotonic() - remembered < TTL_SECONDS - 0.5:
        assert at_the_resolver == ["192.0.2.1"], "the resolver does not cache"
    while ask(lab, name) != ["192.0.2.2"]:
        assert time.monotonic() - remembered < TTL_SECONDS + 10, "the resolver never forgets"
        time.sleep(0.1)


def test_an_update_signed_with_another_key_is_refused(lab: Lab) -> None:
    said = update(lab, new_tsig_secret(), "update add intruder.example.net. 60 A 192.0.2.66")

    assert "BADSIG" in said or "NOTAUTH" in said
    assert ask(lab, "intruder.example.net") == []


def test_a_name_outside_the_lab_fails_at_once(lab: Lab) -> None:
    began = time.monotonic()

    assert ask(lab, "www.example.com") == []
    assert time.monotonic() - began < 2


def test_the_resolver_asks_again_after_it_was_switched_off_and_on(lab: Lab) -> None:
    lab.kill("resolver")
    assert lab.status().machines["resolver"].exit_status == -9
    assert ask(lab, "@10.77.0.3", "ns.example.net") != ["10.77.0.2"]

    lab.power_on("resolver")

    deadline = time.monotonic() + 10
    while ask(lab, "@10.77.0.3", "ns.example.net") != ["10.77.0.2"]:
        assert time.monotonic() < deadline
