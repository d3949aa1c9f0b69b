"""The proof at the end of the way back: that users are served, and by whom, as packets and HTTPS show it."""

from collections.abc import Sequence

from toolkit.certificates.steps import served_certificate
from toolkit.model.execution import Outcome, ReadOnlyStep, Result, StepContext, together, witness
from toolkit.model.verdict import Verdict
from toolkit.traffic.looks import well_served, witness_view
from toolkit.traffic.site import AddressView, served_by, view_site


class ProveServed(ReadOnlyStep):
    """Users are served by the old box: owner by MAC, the certificate of before the run, and the health page."""

    def act(self, context: StepContext) -> Result:
        """Looks; the result says who serves at which address."""
        return {"served_by": {seen.address: served_by(context, seen) for seen in view_site(context.world)}}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Looks once more and judges each address; the sentence names who serves, whoever it is."""
        views = view_site(context.world)
        if not views:
            return witness(
                context,
                probe="dns",
                subject=context.plan.site,
                summary=f"{context.plan.site} is nowhere.",
                passed=False,
            )
        served = served_certificate(context.results)
        before = served if isinstance(served, str) else None
        # the way back gives users what they had: a certificate that was expired before the run is so after it
        outcomes = [witness_view(context, seen, "old", before_sha256=before) for seen in views]
        if before is not None:
            outcomes += [_witness_certificate(context, seen, before) for seen in views if seen.certificate_sha256]
        seen = together(*outcomes)
        summary = _who_serves(context, views, before)
        if seen.verdict is not Verdict.PASSED:
            summary = f"{summary} {seen.summary}"
        return Outcome(seen.verdict, summary, seen.evidence)


def _witness_certificate(context: StepContext, seen: AddressView, before: str) -> Outcome:
    same = seen.certificate_sha256 == before
    return witness(
        context,
        probe="tls",
        subject=seen.address,
        summary=f"At {seen.address} is served the certificate of before the run."
        if same
        else f"At {seen.address} is served another certificate than before the run.",
        passed=same,
        data={"before": before, "now": seen.certificate_sha256},
    )


def _who_serves(context: StepContext, views: Sequence[AddressView], before_sha256: str | None) -> str:
    """Which box users reach at which address, and when that was seen; and whether its certificate is not accepted."""
    at: dict[str, list[str]] = {}
    for seen in views:
        owner = served_by(context, seen)
        who = _WORDS.get(owner, "nobody") if well_served(seen, before_sha256) else "nobody"
        at.setdefault(who, []).append(seen.address)
    when = f"seen at {context.clock.now():%H:%M:%S} UTC"
    if len(at) == 1:
        [(who, addresses)] = at.items()
        if who == "nobody":
            return f"Users are not served: nobody answers well at {' and '.join(addresses)}, {when}."
        return f"Users are served by {who}, {when}.{_not_accepted(views, before_sha256)}"
    parts = ", ".join(f"at {' and '.join(addresses)} by {who}" for who, addresses in at.items())
    return f"Users are served {parts}, {when}.{_not_accepted(views, before_sha256)}"


def _not_accepted(views: Sequence[AddressView], before_sha256: str | None) -> str:
    words = sorted({seen.words for seen in views if not seen.accepted and well_served(seen, before_sha256)})
    return f" The certificate is that of before the run, and is not accepted: {'; '.join(words)}." if words else ""


_WORDS = {
    "old": "the old box",
    "new": "the new box",
    "both": "both boxes at once",
    "stranger": "a stranger",
    None: "somebody who cannot be told from here",
}
