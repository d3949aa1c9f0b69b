"""Steps that only look: at the old box before anything is changed, at the new one and at the site."""

from toolkit.appliances.trust import box
from toolkit.appliances.world import Role, World
from toolkit.certificates.steps import served_certificate
from toolkit.model.box import BoxStatus
from toolkit.model.counting import counted
from toolkit.model.errors import VerificationError
from toolkit.model.execution import Outcome, ReadOnlyStep, Result, StepContext, together, witness
from toolkit.model.verdict import Verdict
from toolkit.probes.https import get_health
from toolkit.probes.tls import observe
from toolkit.traffic.site import AddressView, anchors_of, macs_of, served_by, view_site

_CLOCK_SKEW_SECONDS_MAX = 300.0


class InspectOld(ReadOnlyStep):
    """The old box and the site as users see it, before anything is changed; everything later is compared with it."""

    def act(self, context: StepContext) -> Result:
        """Looks at the box by its API and at the site from the network."""
        world: World = context.world
        old = box(context, "old")
        served = {seen.certificate_sha256 for seen in view_site(world) if seen.certificate_sha256}
        if len(served) > 1:
            raise VerificationError(
                "the site serves different certificates at its addresses",
                where=world.inventory.site.name,
                why=", ".join(sorted(served)),
                next_move="Assign one certificate to all of the site's addresses first.",
            )
        return {
            "served_before_sha256": served.pop() if served else None,
            "old_macs": [*sorted(macs_of(old))],
            "status": old.status().model_dump(mode="json"),
            "network": old.network().model_dump(mode="json"),
        }

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """The old box must be the one in the inventory, healthy, and what users reach."""
        world: World = context.world
        old = box(context, "old")
        status, (healthy, words) = old.status(), old.health()
        skew_seconds = (status.time - context.clock.now()).total_seconds()
        right = status.serial_number == context.plan.boxes["old"] and abs(skew_seconds) <= _CLOCK_SKEW_SECONDS_MAX
        outcome = witness(
            context,
            probe="api",
            subject=f"old ({old.address})",
            summary=f"Serial number {status.serial_number}, Base {status.base_version}, {status.site_version}; it says "
            f"{words!r}; {_clock_words(skew_seconds)}.",
            passed=right and healthy,
            data={"serial_number": status.serial_number, "clock_skew_seconds": skew_seconds},
        )
        return together(outcome, *(witness_view(context, seen, "old") for seen in view_site(world)))


class ProveNew(ReadOnlyStep):
    """The new box on its own address, exactly as users would see it, before any of them is sent there."""

    def act(self, context: StepContext) -> Result:
        """Looks; the result says what the new box is now."""
        new = box(context, "new")
        return {
            "new_macs": [*sorted(macs_of(new))],
            "status": new.status().model_dump(mode="json"),
            "network": new.network().model_dump(mode="json"),
        }

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Certificate as exported and accepted, health page well, content there."""
        return prove_new(context)


def prove_new(context: StepContext) -> Outcome:
    """Whether the new box could serve users now; also the gate before the swing."""
    world: World = context.world
    new = box(context, "new")
    site, port = world.inventory.site, world.inventory.new.port
    tls = observe(new.address, port, server_name=site.name, anchors=anchors_of(world))
    expected = served_certificate(context.results)
    certificate = witness(
        context,
        probe="tls",
        subject=f"new ({new.address})",
        summary=f"The new box serves the site's certificate, accepted for {site.name}."
        if tls.sha256 == expected and tls.verified
        else tls.summary,
        passed=tls.sha256 == expected and tls.verified is True,
        data={"served_sha256": tls.sha256, "expected_sha256": expected, "version": tls.version},
    )
    health = get_health(new.address, port, server_name=site.name)
    answer = witness(
        context,
        probe="https",
        subject=f"new ({new.address})",
        summary=health.summary,
        passed=health.verdict is Verdict.PASSED,
        data={"status": health.status, "answer_ms": health.answer_ms},
    )
    status = new.status()
    content = witness(
        context,
        probe="api",
        subject=f"new ({new.address})",
        summary=f"The new box runs {status.site_version} with {_counts(status)}.",
        passed=status.site_version == world.inventory.package.version and status.records.users > 0,
        data=status.records.model_dump(mode="json"),
    )
    return together(certificate, answer, content)


def prove_site(context: StepContext, role: Role) -> Outcome:
    """Whether users reach that box and no other at every address they are sent to."""
    views = view_site(context.world)
    if not views:
        return Outcome(Verdict.FAILED, f"{context.plan.site} points nowhere.")
    return together(*(witness_view(context, seen, role) for seen in views))


def witness_view(context: StepContext, seen: AddressView, role: Role, *, before_sha256: str | None = None) -> Outcome:
    """Writes one look at an address down and judges it against the box that should be there, as `serves` does."""
    owner = served_by(context, seen)
    where = {None: "nobody", "both": "both boxes", "stranger": "a stranger"}.get(owner, f"the {owner} box")
    return witness(
        context,
        probe="site",
        subject=seen.address,
        summary=f"{seen.address} is at {where}; {seen.words}.",
        passed=serves(context, seen, role, before_sha256=before_sha256),
        data=seen.as_json() | {"served_by": owner},
    )


def serves(context: StepContext, seen: AddressView, role: Role, *, before_sha256: str | None = None) -> bool:
    """Whether that box is at the address, and users are well served there."""
    return served_by(context, seen) == role and well_served(seen, before_sha256)


def well_served(seen: AddressView, before_sha256: str | None = None) -> bool:
    """Whether the page is well and users' programs accept the certificate.

    With `before_sha256`, no worse than before: that certificate is right even where they do not.
    """
    return seen.healthy and (seen.accepted or (before_sha256 is not None and seen.certificate_sha256 == before_sha256))


def _counts(status: BoxStatus) -> str:
    records = status.records
    return ", ".join(
        (
            counted(records.users, "user"),
            counted(records.jump_clients, "Jump Client"),
            counted(records.sessions, "session record"),
        )
    )


def _clock_words(skew_seconds: float) -> str:
    """How the box's clock stands to ours; positive, it is ahead."""
    seconds = round(skew_seconds)
    if seconds == 0:
        return "its clock agrees with ours to the second"
    return f"its clock is {counted(abs(seconds), 'second')} {'ahead of' if seconds > 0 else 'behind'} ours"
