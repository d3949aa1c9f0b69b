"""What the network must show before a step may start; looked at then, never remembered."""

from collections.abc import Sequence

from toolkit.appliances.trust import box
from toolkit.model.counting import counted
from toolkit.model.errors import InputError, UnreachableError
from toolkit.model.execution import Outcome, StepContext
from toolkit.model.plan import GateReference
from toolkit.model.verdict import Verdict
from toolkit.probes.owner import find_owners
from toolkit.traffic.looks import prove_new, prove_site
from toolkit.traffic.site import OWNER_WAIT_SECONDS, site_addresses


def new_address_free(context: StepContext, gate: GateReference) -> Outcome:
    """At the new box's address is the new box, or nobody; a stranger there is named by its MAC."""
    new = box(context, "new")
    # the link is asked first: a connection to an address nobody has takes the kernel three seconds to give up
    macs = _macs_at(new.address)
    if macs == []:
        return Outcome(Verdict.PASSED, f"Nobody has {new.address}.")
    try:
        serial_number = new.reset_status().serial_number
    except UnreachableError:
        if macs is None:
            return Outcome(Verdict.PASSED, f"{new.address} is behind a gateway and does not answer.")
        return Outcome(
            Verdict.FAILED,
            f"{new.address} is in use by a stranger ({', '.join(macs)}): it answers ARP and is no appliance. Find "
            "that host, or give the new box another address.",
        )
    if serial_number != context.plan.boxes["new"]:
        return Outcome(Verdict.FAILED, f"{new.address} is in use by another appliance, {serial_number}.")
    return Outcome(Verdict.PASSED, f"The new box has {new.address}.")


def _macs_at(address: str) -> Sequence[str] | None:
    try:
        return [owner.mac for owner in find_owners(address, wait_s=OWNER_WAIT_SECONDS).owners]
    except InputError:
        return None


def new_proven(context: StepContext, gate: GateReference) -> Outcome:
    """The new box could serve users at this moment."""
    return prove_new(context)


def old_owns_site(context: StepContext, gate: GateReference) -> Outcome:
    """Users reach the old box and no other."""
    return prove_site(context, "old")


def no_active_sessions(context: StepContext, gate: GateReference) -> Outcome:
    """Nobody is in the middle of a support session on the old box."""
    active = box(context, "old").status().active_sessions
    if active:
        them = "them" if active > 1 else "it"
        return Outcome(Verdict.FAILED, f"{_sessions_are(active)} active on the old box; the swing ends {them}.")
    return Outcome(Verdict.PASSED, "No session is active on the old box.")


def old_idle(context: StepContext, gate: GateReference) -> Outcome:
    """No support session is left on the old box: what ends it now would end its record too."""
    active = box(context, "old").status().active_sessions
    if active:
        they_have, them = ("they have", "them") if active > 1 else ("it has", "it")
        return Outcome(
            Verdict.FAILED,
            f"{_sessions_are(active)} still going on at the old box, reached by its own address or by a name somebody "
            f"remembers. Wait until {they_have} ended, or end {them} there, then resume.",
        )
    return Outcome(Verdict.PASSED, "No session is going on at the old box any more.")


def _sessions_are(active: int) -> str:
    return counted(active, "support session is", "support sessions are")


def new_serves_site(context: StepContext, gate: GateReference) -> Outcome:
    """Users reach the new box and no other."""
    return prove_site(context, "new")


def old_out_of_service(context: StepContext, gate: GateReference) -> Outcome:
    """No address users are sent to is the old box's, by its own word."""
    used = set(site_addresses(context.world.inventory))
    kept = {entry.address for entry in box(context, "old").network().addresses if entry.enabled} & used
    if kept:
        return Outcome(Verdict.FAILED, f"The old box still has {', '.join(sorted(kept))} enabled.")
    return Outcome(Verdict.PASSED, "The old box has none of the site's addresses.")
