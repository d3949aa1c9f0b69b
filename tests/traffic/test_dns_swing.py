"""The swing by DNS at a real name server: lowered, waited out, moved, put back, undone, and never over a stranger's."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.step_context import JumpingClock, context_of, inventory, world_of
from tests.traffic.conftest import NAME, NameServer
from toolkit.model.errors import RefusedError, UnknownStateError
from toolkit.model.execution import Outcome, StepContext
from toolkit.model.verdict import Verdict
from toolkit.traffic import dns_swing
from toolkit.traffic.dns import AddressRecords, look_up
from toolkit.traffic.dns_swing import LowerTtl, PutBackTtl, SwingDns
from toolkit.traffic.site import AddressView

OLD = ("10.77.0.21", "fd77::21")
NEW = ("10.77.0.22", "fd77::22")
BEFORE_SECONDS, LOWERED_SECONDS = 300, 30


class Resolver:
    """The resolver users have: asks the zone's own server, unless it is stuck with what it once heard."""

    def __init__(self, server: NameServer) -> None:
        self._port = server.port
        self.stuck: AddressRecords | None = None

    def __call__(self, server: str, name: str) -> AddressRecords:
        assert server == "10.77.0.3"
        return self.stuck or look_up("127.0.0.1", name, port=self._port)


@pytest.fixture
def resolver(name_server: NameServer, monkeypatch: pytest.MonkeyPatch) -> Resolver:
    # resolvers are asked at port 53, which this machine's own may have
    resolver = Resolver(name_server)
    monkeypatch.setattr(dns_swing, "look_up", resolver)
    return resolver


@pytest.fixture
def proven(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whom the site was looked for at; that it is really there is what the rehearsals show."""
    roles: list[str] = []

    def prove_site(context: StepContext, role: str) -> Outcome:
        roles.append(role)
        return Outcome(Verdict.PASSED, f"The site is with the {role} box.")

    monkeypatch.setattr(dns_swing, "prove_site", prove_site)
    return roles


@pytest.fixture(autouse=True)
def serving(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The addresses at which the site is served well; both of the old box's to begin with."""
    well = {*OLD}

    def view(world: object, address: str) -> AddressView:
        serves = address in well
        return AddressView(address, None, None, accepted=serves, healthy=serves, words="it was looked at")

    monkeypatch.setattr(dns_swing, "view", view)
    return well


@pytest.fixture
def context(name_server: NameServer, resolver: Resolver, tmp_path: Path) -> StepContext:
    swing = {"server": "127.0.0.1", "port": name_server.port, "tsig_name": "swing", "ttl_seconds": LOWERED_SECONDS}
    world = world_of(tmp_path, of=inventory(swing=swing), resolve_secret=lambda *_: name_server.secret)
    parameters: dict[str, JsonValue] = {"ttl_before_seconds": BEFORE_SECONDS, "addresses_before": list(OLD)}
    return context_of(tmp_path, world, parameters=parameters)


def slept(context: StepContext) -> float:
    assert isinstance(context.clock, JumpingClock)
    return context.clock.slept


def zone(server: NameServer) -> tuple[set[str], int]:
    records = server.zone().look_up(NAME)
    return set(records.addresses), records.ttl_seconds


def test_the_ttl_is_lowered_and_the_old_one_waited_out(name_server: NameServer, context: StepContext) -> None:
    assert LowerTtl().act(context) == {"ttl_before_seconds": BEFORE_SECONDS, "ttl_seconds": LOWERED_SECONDS}
    assert zone(name_server) == ({*OLD}, LOWERED_SECONDS)
    assert slept(context) == BEFORE_SECONDS
    assert LowerTtl().verify(context, {}).verdict is Verdict.PASSED


def test_a_resumed_run_waits_only_for_the_rest(context: StepContext) -> None:
    LowerTtl().act(context)
    LowerTtl().act(context)
    assert slept(context) == BEFORE_SECONDS


def test_a_ttl_that_was_not_lowered_is_seen_and_one_lowered_is_put_back(
    name_server: NameServer, context: StepContext
) -> None:
    assert LowerTtl().verify(context, {}).verdict is Verdict.FAILED
    LowerTtl().act(context)
    assert LowerTtl().undo(context, None).verdict is Verdict.PASSED
    assert zone(name_server) == ({*OLD}, BEFORE_SECONDS)


def test_the_name_is_swung_and_its_ttl_put_back(
    name_server: NameServer, context: StepContext, proven: list[str]
) -> None:
    LowerTtl().act(context)
    assert SwingDns().look(context) is None
    assert SwingDns().act(context) == {"addresses": list(NEW)}
    assert zone(name_server) == ({*NEW}, LOWERED_SECONDS)
    assert SwingDns().look(context) == {"addresses": list(NEW)}
    assert SwingDns().verify(context, {}).verdict is Verdict.PASSED

    assert PutBackTtl().look(context) is None
    PutBackTtl().act(context)
    assert PutBackTtl().look(context) == {"ttl_seconds": BEFORE_SECONDS}
    assert PutBackTtl().verify(context, {}).verdict is Verdict.PASSED
    assert zone(name_server) == ({*NEW}, BEFORE_SECONDS)
    assert PutBackTtl().undo(context, None).verdict is Verdict.PASSED
    assert zone(name_server) == ({*NEW}, LOWERED_SECONDS)
    assert proven == ["new"]


def test_it_is_swung_back_and_one_that_never_began_is_left_as_it_is(
    name_server: NameServer, context: StepContext, proven: list[str]
) -> None:
    assert SwingDns().undo(context, None).verdict is Verdict.PASSED
    assert zone(name_server) == ({*OLD}, BEFORE_SECONDS)
    SwingDns().act(context)
    assert SwingDns().undo(context, None).verdict is Verdict.PASSED
    assert zone(name_server) == ({*OLD}, LOWERED_SECONDS)
    assert proven == ["old", "old"]


def test_what_somebody_else_has_changed_meanwhile_is_neither_swung_nor_swung_back(
    name_server: NameServer, context: StepContext, proven: list[str]
) -> None:
    name_server.zone().replace(NAME, OLD, ("10.77.0.99",), BEFORE_SECONDS)
    with pytest.raises(RefusedError, match="somebody changed it"):
        SwingDns().act(context)
    with pytest.raises(RefusedError, match="somebody changed it"):
        SwingDns().undo(context, None)
    assert zone(name_server) == ({"10.77.0.99"}, BEFORE_SECONDS)
    assert proven == []


def test_a_resolver_that_keeps_the_old_address_is_named_and_not_waited_for_for_ever(
    resolver: Resolver, context: StepContext
) -> None:
    resolver.stuck = AddressRecords(frozenset(OLD), LOWERED_SECONDS)
    with pytest.raises(UnknownStateError, match="not every resolver") as caught:
        SwingDns().act(context)
    assert caught.value.where == "10.77.0.3"
    assert LOWERED_SECONDS < slept(context) < LOWERED_SECONDS + 15


def test_the_name_stays_where_it_is_while_the_old_box_does_not_serve(
    name_server: NameServer, context: StepContext, proven: list[str], serving: set[str]
) -> None:
    SwingDns().act(context)
    serving.clear()
    outcome = SwingDns().undo(context, None)
    assert outcome.verdict is Verdict.FAILED
    assert "the name is left pointing where it does" in outcome.summary
    assert "rebox abandon run-1" in outcome.next_move
    assert zone(name_server)[0] == {*NEW}

    serving.add(OLD[0])  # one of its two addresses is enough to be served
    assert SwingDns().undo(context, None).verdict is Verdict.PASSED
    assert zone(name_server)[0] == {*OLD}
    assert proven[-1] == "old"
