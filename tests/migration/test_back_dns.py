"""The way back of a swing by DNS: name and time to live as they were, at the zone and at the resolver."""

from tests.migration.rehearsal import Rehearsal
from toolkit.engine.states import RunState

_STEPS = ("lower-ttl", "swing-traffic", "put-back-ttl")


def test_name_and_ttl_are_as_before_after_going_back_from_every_step_that_touches_them(
    dns_rehearsal: Rehearsal,
) -> None:
    inventory = dns_rehearsal.variant("existing", {"provision": {"driver": "existing"}})
    dns_rehearsal.switch_on_new()
    before = names(dns_rehearsal)

    for step in _STEPS:
        run = dns_rehearsal.start(inventory)
        assert dns_rehearsal.carry("run", run, kill_at=f"{step}:recorded").killed_at == f"{step}:recorded"

        went = dns_rehearsal.carry("back", run)

        assert went.told["state"] == RunState.WENT_BACK, (step, went.told)
        assert names(dns_rehearsal) == before
        assert dns_rehearsal.site_as_users_see_it() == dns_rehearsal.serving("old")
        assert not dns_rehearsal.holds_site_certificate("new")


def names(rehearsal: Rehearsal) -> dict[str, object]:
    """What the zone says, and which addresses the resolver gives."""
    dns, site = rehearsal.lab.description.dns, rehearsal.lab.description.site
    assert dns
    assert site
    told = rehearsal.user("names", name=site.name, servers=[dns.server, dns.resolver]).told
    assert told[dns.server]["addresses"] == told[dns.resolver]["addresses"]
    return {"zone": told[dns.server]}
