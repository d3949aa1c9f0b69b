"""The new box: have it running, recognise it, take it into use (requirements H1, A1)."""

from dataclasses import replace

from toolkit.appliances.connection import wait_until
from toolkit.appliances.protocol import Appliance
from toolkit.appliances.provisioner import TellsHow
from toolkit.appliances.trust import box, trust
from toolkit.appliances.world import World
from toolkit.model.errors import ReboxError, UnreachableError, VerificationError
from toolkit.model.execution import Outcome, ReadOnlyStep, Result, StepContext, witness
from toolkit.model.inventory import SharedAddressSwing
from toolkit.model.verdict import Verdict
from toolkit.storage.whole_file import write_whole

_BOOT_SECONDS_MAX = 300.0
_OURS = "new-box-is-ours"


class ProvisionNew:
    """Has the new box running and makes sure that it is the one in the inventory."""

    def look(self, context: StepContext) -> Result | None:
        """The provisioner looks itself: asking it again is harmless, and it knows whether the box is its own."""
        return None

    def act(self, context: StepContext) -> Result:
        """Switches the box on, or finds it running, and waits until it answers."""
        world: World = context.world
        ours = context.run_directory / _OURS
        # noted before it is done: a kill in between must not leave a box running that nobody switches off again
        if not ours.exists() and not world.provisioner.is_provided():
            write_whole(ours, b"", then="resume; the new box is as it was")
        world.provisioner.provide(lambda fraction, phase: context.progress(0.8 * fraction, phase))
        announced = world.provisioner.announced_tls_sha256()
        if announced is not None and announced != world.inventory.new.tls_sha256:
            trust(context, "new", announced)
        if isinstance(world.provisioner, TellsHow) and (how := world.provisioner.how()):
            witness(context, probe="provisioner", subject=f"new ({world.new.address})", summary=how, passed=True)
        context.progress(0.8, "waiting until it answers")
        _wait_until_it_answers(box(context, "new"), context)
        return {"made_here": ours.exists()}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """The pinned fingerprint let us in; the serial number must be the inventory's as well."""
        new = box(context, "new")
        expected = context.plan.boxes["new"]
        seen = new.reset_status().serial_number
        return witness(
            context,
            probe="tls",
            subject=f"new ({new.address})",
            summary=f"The new box answers with the expected certificate and serial number {seen}."
            if seen == expected
            else f"Serial number {seen} answers, {expected} was expected.",
            passed=seen == expected,
            data={"serial_number": seen},
        )

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """Switches the box off again if it was switched on here."""
        world: World = context.world
        if not (context.run_directory / _OURS).exists():
            return Outcome(Verdict.PASSED, "The new box was running before; it is left as it is.")
        gone = world.provisioner.withdraw()
        off = not world.provisioner.is_provided()
        away = "The new box is gone, with all that was on it." if gone else "The new box is off again."
        outcome = witness(
            context,
            probe="provisioner",
            subject=f"new ({world.new.address})",
            summary=away if off else "The new box is still running.",
            passed=off,
        )
        return replace(outcome, gone="new" if gone and off else "")


def _wait_until_it_answers(new: Appliance, context: StepContext) -> None:
    last: list[ReboxError] = []

    def answers() -> bool:
        try:
            new.reset_status()
        except UnreachableError as error:
            last.append(error)
            return False
        return True

    if not wait_until(answers, seconds=_BOOT_SECONDS_MAX, sleep=context.clock.sleep, monotonic=context.clock.monotonic):
        raise last[-1]


class TakeIntoUse(ReadOnlyStep):
    """Changes the factory password, makes our account and defines what the swing will need."""

    def act(self, context: StepContext) -> Result:
        """Makes the account; defines the shared addresses, disabled, where the swing moves some."""
        world: World = context.world
        new = box(context, "new")
        if not new.can_sign_in():
            new.take_into_use()
        defined: list[str] = []
        if isinstance(world.inventory.swing, SharedAddressSwing):
            old = {entry.address: entry for entry in box(context, "old").network().addresses}
            for address in world.inventory.site.addresses:
                if address not in old:
                    raise VerificationError(
                        f"the old box does not have the address {address}",
                        where=f"old ({world.old.address})",
                        next_move="Define it on the old box, then resume; or take the run back, correct site.addresses "
                        "and start a new run.",
                    )
                new.define_address(address, old[address].prefix, world.inventory.new.interface)
                defined.append(address)
        return {"defined": list(defined)}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Signs in anew and reads the addresses back: none of the site's may be enabled yet."""
        world: World = context.world
        new = box(context, "new")
        status = new.status()
        early = [
            entry.address
            for entry in new.network().addresses
            if entry.enabled and entry.shared and entry.address in world.inventory.site.addresses
        ]
        summary = (
            f"Our account works on the new box (Base {status.base_version}); it owns none of the site's addresses."
        )
        if early:
            summary = f"The new box has {', '.join(early)} enabled already."
        return witness(
            context,
            probe="api",
            subject=f"new ({new.address})",
            summary=summary,
            passed=not early,
            data={"base_version": status.base_version, "state": status.state},
        )
