"""Everything a server's certificate is verified for, check by check, with one verdict over all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from toolkit.certificates.bundle import Bundle, sha256
from toolkit.certificates.comparison import Comparison
from toolkit.certificates.findings import Finding, examine, verdict_of
from toolkit.certificates.trust import Anchors, judge
from toolkit.model.verdict import Verdict, combine


@dataclass(frozen=True)
class Check:
    """One thing asked, and how it ended."""

    name: str
    verdict: Verdict
    summary: str


@dataclass(frozen=True)
class Verification:
    """All checks and all findings about one leaf (`sha256`, hex)."""

    sha256: str
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """Any failed check fails it; a check that could not be made leaves it unknown."""
        return combine(check.verdict for check in self.checks if check.verdict is not Verdict.SKIPPED)


def verify(
    bundle: Bundle,
    *,
    at: datetime,
    anchors: Anchors | None,
    name: str | None = None,
    key_wanted: bool | None = False,
    comparison: Comparison | None = None,
) -> Verification:
    """Examines the bundle at the time `at`, judges its chain by `anchors`, and counts a comparison made before.

    Without anchors (None: none could be found) trust is unknown; without a name that check is skipped, and said so.
    """
    untrusted = () if anchors is None else judge(bundle, anchors, at=at)
    certain = {finding.code for finding in untrusted}
    # what was found without anchors, and so only suspected, is said once: as the fault it is
    findings = tuple(one for one in examine(bundle, at=at, name=name, key_wanted=key_wanted) if one.code not in certain)
    checks = [
        Check("certificate", verdict_of(findings), _count(findings)),
        Check("name", *((Verdict.SKIPPED, "no name was given") if name is None else _name_check(findings, name))),
    ]
    if anchors is None:
        checks.append(Check("trust", Verdict.UNKNOWN, "no trusted authority is known here"))
    else:
        words = untrusted[0].message if untrusted else f"the chain leads to an authority of {anchors.source}"
        checks.append(Check("trust", verdict_of(untrusted), words))
        findings = (*findings, *untrusted)
    if comparison is not None:
        words = "it is what was exported" if not comparison.differences else _count(comparison.differences)
        checks.append(Check("against", comparison.verdict, words))
        findings = (*findings, *comparison.differences)
    return Verification(sha256(bundle.leaf), tuple(checks), findings)


def _name_check(findings: Sequence[Finding], name: str) -> tuple[Verdict, str]:
    about = [finding for finding in findings if finding.code in {"name-mismatch", "common-name-only"}]
    return verdict_of(about), about[0].message if about else f"it is valid for {name}"


def _count(findings: Sequence[Finding]) -> str:
    if not findings:
        return "nothing was found"
    return ", ".join(dict.fromkeys(finding.code.value for finding in findings))
