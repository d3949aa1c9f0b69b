"""What users of the site see at this moment: who owns its addresses, what is served there, whether it is well."""

import platform
import socket
from dataclasses import dataclass
from typing import get_args

from pydantic import JsonValue

from toolkit.appliances.protocol import Appliance
from toolkit.appliances.trust import box
from toolkit.appliances.world import ANSWER_SECONDS_MAX, SLOW_SECONDS_MAX, Role, World
from toolkit.certificates.files import read_content
from toolkit.model.errors import InputError, UnreachableError
from toolkit.model.execution import StepContext
from toolkit.model.inventory import DnsSwing, Inventory
from toolkit.model.verdict import Verdict
from toolkit.probes.https import get_health
from toolkit.probes.owner import find_owners
from toolkit.probes.tls import observe
from toolkit.traffic.dns import look_up

OWNER_WAIT_SECONDS = 0.3
"""How long every owner of an address gets to answer; a second one must have the time to show."""


@dataclass(frozen=True)
class AddressView:
    """One address as seen from here. `macs` is None where the link cannot be asked (behind a gateway)."""

    address: str
    macs: tuple[str, ...] | None
    certificate_sha256: str | None
    accepted: bool
    """Whether a user's browser takes the certificate: chain to an anchor, right name, valid now."""
    healthy: bool
    words: str

    def as_json(self) -> dict[str, JsonValue]:
        """For evidence."""
        return {
            "address": self.address,
            "macs": None if self.macs is None else list(self.macs),
            "certificate_sha256": self.certificate_sha256,
            "accepted": self.accepted,
            "healthy": self.healthy,
        }


def vantage() -> str:
    """The name of the host we look from."""
    return platform.node() or socket.gethostname()


def site_addresses(inventory: Inventory) -> tuple[str, ...]:
    """Where users are sent now: the shared addresses, or what the resolvers say, all of them together."""
    swing = inventory.swing
    if not isinstance(swing, DnsSwing):
        return inventory.site.addresses
    seen: set[str] = set()
    for resolver in swing.resolvers:
        seen |= look_up(resolver, inventory.site.name).addresses
    return tuple(sorted(seen))


def view(world: World, address: str) -> AddressView:
    """Looks at one address of the site, by ways that do not believe each other."""
    site = world.inventory.site
    try:
        macs: tuple[str, ...] | None = tuple(
            owner.mac for owner in find_owners(address, wait_s=OWNER_WAIT_SECONDS).owners
        )
    except InputError:
        macs = None
    tls = observe(address, site.port, server_name=site.name, anchors=anchors_of(world))
    health = get_health(address, site.port, server_name=site.name)
    words = health.summary if tls.verified else tls.summary
    return AddressView(address, macs, tls.sha256, tls.verified is True, health.verdict is Verdict.PASSED, words)


def anchors_of(world: World) -> list[bytes] | None:
    """The authorities users trust: the inventory's, or the system's (None)."""
    ca_file = world.inventory.site.ca_file
    return None if ca_file is None else [read_content(world.path(ca_file))]


def view_site(world: World) -> tuple[AddressView, ...]:
    """Looks at every address users are sent to."""
    return tuple(view(world, address) for address in site_addresses(world.inventory))


def macs_of(appliance: Appliance) -> frozenset[str]:
    """The MACs of a box's interfaces, lower-case."""
    return frozenset(interface.mac.lower() for interface in appliance.network().interfaces)


def served_by(context: StepContext, seen: AddressView) -> str | None:
    """Which box an address is at: "old", "new", "both", "stranger", or None when nobody answers.

    On the own link the MAC decides; behind a gateway the address itself does, which is right for a DNS swing and
    unknown for a shared address.
    """
    if seen.macs is None:
        owners = _who_has_it_enabled(context, seen.address)
        return owners.pop() if len(owners) == 1 else None
    if not seen.macs:
        return None
    known = known_macs(context)
    owners = {known.get(mac, "stranger") for mac in seen.macs}
    if owners == {"old", "new"}:
        return "both"
    return owners.pop() if len(owners) == 1 else "stranger"


def known_macs(context: StepContext) -> dict[str, str]:
    """Which box each MAC belongs to, as learnt when the boxes were looked at; the old box is asked until then."""
    known: dict[str, str] = {}
    for result in context.results.values():
        for role in ("old", "new"):
            macs = result.get(f"{role}_macs")
            if isinstance(macs, list):
                known |= {str(mac): role for mac in macs}
    if known:
        return known
    old = box(context, "old")
    try:
        with old.within(ANSWER_SECONDS_MAX, SLOW_SECONDS_MAX):
            return dict.fromkeys(macs_of(old), "old")
    except UnreachableError:
        return {}


def _who_has_it_enabled(context: StepContext, address: str) -> set[str]:
    """The boxes that say they have the address; what a box that is known to be off had, it has no more."""
    owners: set[str] = set()
    for role in get_args(Role):
        appliance = box(context, role)
        try:
            with appliance.within(ANSWER_SECONDS_MAX, SLOW_SECONDS_MAX):
                enabled = {entry.address for entry in appliance.network().addresses if entry.enabled}
        except UnreachableError:
            # a box's own address is no other box's; a shared one may be the silent one's
            if owners and isinstance(context.world.inventory.swing, DnsSwing):
                continue
            if role == "new" and context.world.new_is_off:
                continue
            raise
        if address in enabled:
            owners.add(role)
    return owners
