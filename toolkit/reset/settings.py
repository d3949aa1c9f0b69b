"""The old box's own factory reset, watched until it is complete and then until it answers as a factory box (H8)."""

from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict, JsonValue

from toolkit.appliances.connection import wait_until
from toolkit.appliances.trust import box, trust
from toolkit.appliances.world import World
from toolkit.model.box import Exposure
from toolkit.model.errors import ReboxError, UnknownStateError, VerificationError
from toolkit.model.execution import Outcome, Result, StepContext, witness
from toolkit.model.inventory import SharedAddressSwing
from toolkit.model.verdict import Verdict, combine
from toolkit.probes.tls import TlsResult, observe
from toolkit.reset.factory_box import Before, Finding, judge_certificate, judge_exposure
from toolkit.reset.final import Final, must_be_the_one
from toolkit.reset.kept import read_kept
from toolkit.storage.whole_file import write_whole

_FILE = "before-the-reset.json"
_SETTLE_SECONDS = 60.0
"""How long a box that says complete may take until it serves its new certificate."""

_TOLD_MAX = 5


class _Known(BaseModel):
    """`before-the-reset.json`: what only the box itself knew before its reset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    announced_sha256: str | None = None
    served_sha256: str | None = None


class ResetOld(Final):
    """*Status > Basics > Reset Appliance to Factory Defaults*, and the proof that nothing is left."""

    def __init__(self, observed: Callable[..., TlsResult] = observe) -> None:
        self._observed = observed

    def look(self, context: StepContext) -> Result | None:
        """Done when the box itself says so."""
        old = box(context, "old")
        status = old.reset_status()
        must_be_the_one(context, status.serial_number)
        return _result(context, status.serial_number) if status.state == "complete" else None

    def act(self, context: StepContext) -> Result:
        """Learns the certificate the box will have afterwards, then resets it; one under way is followed."""
        old = box(context, "old")
        status = old.reset_status()
        must_be_the_one(context, status.serial_number)
        if status.state == "none":
            self._note(context, status.next_tls_sha256)
        if status.next_tls_sha256:
            trust(context, "old", status.next_tls_sha256)
        done = old.reset(status.serial_number, context.progress)
        return _result(context, done.serial_number)

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """It answers as a factory box: to a TLS client, to strangers, and to our old account.

        A box that does not answer is unknown, and so is one of which something could not be told.
        """
        before = _before(context)
        served = self._served_at_last(context, before.announced)
        findings = [*judge_certificate(served, before)]
        exposure = None
        try:
            exposure = self._exposure(context)
        except VerificationError:
            raise  # another box: nothing of what it says counts
        except ReboxError as error:
            findings.append(Finding(Verdict.UNKNOWN, str(error)))
        else:
            findings.extend(judge_exposure(exposure, before))
        return _told(context, findings, served, before, exposure)

    def _exposure(self, context: StepContext) -> Exposure:
        old = box(context, "old")
        status = old.reset_status()
        must_be_the_one(context, status.serial_number)
        where = f"old ({old.address})"
        if status.state == "none":
            raise VerificationError("the old box says that it has not been reset", where=where)
        if status.state == "resetting":
            raise UnknownStateError("the old box is still at its reset", where=where, next_move="Resume in a while.")
        return old.exposure((context.plan.site,))

    def _note(self, context: StepContext, announced_sha256: str | None) -> None:
        """On the disk before the reset is asked for: afterwards the box knows neither any more."""
        known = _Known(announced_sha256=announced_sha256, served_sha256=self._served(context))
        write_whole(
            context.run_directory / _FILE,
            known.model_dump_json(indent=1).encode(),
            what="the certificate the box is going to have cannot be written down",
            then="resume; the box is as it was",
        )

    def _served_at_last(self, context: StepContext, announced: str | None) -> str | None:
        """What a TLS client is shown; a box is given time to come to what it announced."""
        seen: list[str | None] = [None]

        def arrived() -> bool:
            seen.append(self._served(context))
            return seen[-1] is not None and seen[-1] == (announced or seen[-1])

        clock = context.clock
        wait_until(arrived, seconds=_SETTLE_SECONDS, interval=0.5, sleep=clock.sleep, monotonic=clock.monotonic)
        return seen[-1]

    def _served(self, context: StepContext) -> str | None:
        old = context.world.inventory.old
        return self._observed(old.address, old.port, verify=False).sha256


def _before(context: StepContext) -> Before:
    """What must not be found again, as far as this run knows it."""
    world: World = context.world
    known, inventory = _read(context), world.inventory
    exported = context.results.get("export-certificate", {}).get("leaf_sha256")
    # people put the announced one into the inventory too, once the box serves it
    pinned = None if inventory.old.tls_sha256 == known.announced_sha256 else inventory.old.tls_sha256
    certificates = {str(each) for each in (known.served_sha256, pinned, exported) if each}
    traces = {context.plan.site}
    if isinstance(inventory.swing, SharedAddressSwing):
        # a site by DNS may have been at the box's own addresses, which it keeps until it is switched off
        traces |= {*inventory.site.addresses}
    return Before(known.announced_sha256, frozenset(certificates), frozenset(traces))


def _read(context: StepContext) -> _Known:
    return read_kept(
        context.run_directory / _FILE,
        _Known.model_validate_json,
        _Known,
        what="it cannot be read which certificate the old box was to have after its reset",
        then="Restore the file from a copy, then resume; the box stays as it is.",
    )


def _result(context: StepContext, serial_number: str) -> Result:
    return {"serial_number": serial_number, "announced_sha256": _read(context).announced_sha256}


def _told(
    context: StepContext, findings: Sequence[Finding], served: str | None, before: Before, exposure: Exposure | None
) -> Outcome:
    """The outcome, with what was seen as evidence: statuses and fingerprints, never what an answer held."""
    verdict = Verdict.PASSED if not findings else combine(finding.verdict for finding in findings)
    telling = _listed([finding.what for finding in findings if finding.verdict is verdict])
    shown = exposure.shown if exposure else ()
    summary = {
        Verdict.PASSED: "The old box is a factory box: it serves the certificate it announced, insists on another "
        f"password than the factory's, does not know our account, and gave nothing away to {len(shown)} questions.",
        Verdict.FAILED: f"The old box is no factory box: {telling}.",
    }.get(verdict, f"Whether the old box is a factory box cannot be told: {telling}.")
    data: dict[str, JsonValue] = {
        "served_sha256": served,
        "announced_sha256": before.announced,
        "default_password": exposure.default_password if exposure else None,
        "old_account_known": exposure.old_account_known if exposure else None,
        "answers": [{"call": each.call, "by": each.caller, "status": each.status} for each in shown],
        "findings": [f"{finding.verdict}: {finding.what}" for finding in findings],
    }
    return witness(
        context,
        probe="factory-box",
        subject=f"old ({context.world.inventory.old.address})",
        summary=summary,
        passed={Verdict.PASSED: True, Verdict.FAILED: False}.get(verdict),
        data=data,
    )


def _listed(findings: Sequence[str]) -> str:
    more = len(findings) - _TOLD_MAX
    return "; ".join(findings[:_TOLD_MAX]) + (f"; and {more} more" if more > 0 else "")
