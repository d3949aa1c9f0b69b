"""How `rebox cert` shows certificates: tables and sentences for people, one document for programs."""

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from toolkit.appliances.protocol import CertificateEntry
from toolkit.certificates.bundle import Bundle, label, sha256
from toolkit.certificates.description import describe, describe_key
from toolkit.certificates.export import Format, KeyHandling
from toolkit.certificates.findings import Finding, Severity, verdict_of
from toolkit.certificates.verification import Verification
from toolkit.cli.output import emit_json, out, result_table
from toolkit.model.counting import counted
from toolkit.model.verdict import Verdict


def show_entries(title: str, entries: Sequence[CertificateEntry], *, as_json: bool) -> None:
    """A box's list of certificates."""
    if as_json:
        return emit_json({"certificates": [entry.model_dump(mode="json") for entry in entries]})
    columns = ("id", "issued to", "issued by", "expires", "key", "served on", "warnings")
    rows = [
        (
            entry.id,
            escape(entry.issued_to),
            escape(entry.issued_by),
            f"{entry.not_after:%Y-%m-%d}",
            "yes" if entry.has_key else "no",
            listing(entry.addresses),
            escape(", ".join(entry.warnings)),
        )
        for entry in entries
    ]
    return result_table(title, columns, rows)


def show_bundle(source: str, bundle: Bundle) -> None:
    """The chain as a table, and what the key is."""
    entries = describe(bundle)
    columns = ("role", "issued to", "issued by", "valid until", "key")
    fields = ("role", "issued_to", "issued_by", "not_after", "key")
    rows = [[escape(_short(field, entry[field])) for field in fields] for entry in entries]
    result_table(escape(source), columns, rows)
    out.print(f"Names: {escape(listing(entries[0]['names'], 'none'))}.")
    out.print(f"SHA-256 of the leaf: {entries[0]['sha256']}", soft_wrap=True)
    if bundle.key is not None:
        belongs = "belongs to the leaf" if bundle.key_matches else "[red]belongs to another certificate[/red]"
        out.print(f"Private key: {describe_key(bundle.key)}, {belongs}.")


def show_findings(findings: tuple[Finding, ...]) -> None:
    """The findings, one line each, the worst in red."""
    colours = {Severity.ERROR: "red", Severity.WARN: "yellow", Severity.INFO: "dim"}
    for finding in findings:
        colour = colours[finding.severity]
        head = f"[{colour}]{finding.severity.value:5} {finding.code.value}[/{colour}]"
        out.print(
            f"{head}  {escape(finding.subject)}: {escape(finding.message)}. [dim]{escape(finding.next_move)}[/dim]"
        )
    if not findings:
        out.print("[green]Nothing is wrong with it.[/green]")


def show_verification(source: str, verification: Verification) -> None:
    """The checks as a table, the findings and the verdict."""
    rows = [(check.name, mark(check.verdict), escape(check.summary)) for check in verification.checks]
    result_table(escape(source), ("check", "verdict", ""), rows)
    if verification.findings:
        show_findings(verification.findings)
    out.print(f"{mark(verification.verdict)}  SHA-256 {verification.sha256}", soft_wrap=True)


def report_written(target: Path, bundle: Bundle, handling: KeyHandling, form: Format, *, as_json: bool) -> None:
    """What was written where."""
    if as_json:
        document = {"written": str(target), "format": form.value, "key": handling.value, "sha256": sha256(bundle.leaf)}
        return emit_json(document | {"certificates": describe(bundle)})
    return out.print(
        f"Written to {escape(str(target))}: {escape(label(bundle.leaf.subject))}, "
        f"{counted(len(bundle.intermediates), 'intermediate')}, key {handling.value}.\nSHA-256 {sha256(bundle.leaf)}",
        soft_wrap=True,
    )


def bundle_document(source: str | None, bundle: Bundle, findings: tuple[Finding, ...]) -> dict[str, object]:
    """A bundle and its findings as one JSON object."""
    key = None if bundle.key is None else {"kind": describe_key(bundle.key), "matches": bundle.key_matches}
    return {
        "source": source,
        "verdict": verdict_of(findings).value,
        "certificates": describe(bundle),
        "key": key,
        "findings": findings_document(findings),
    }


def findings_document(findings: tuple[Finding, ...]) -> list[dict[str, str]]:
    """The findings as a JSON list."""
    return [finding.as_json() for finding in findings]


def verification_document(verification: Verification) -> dict[str, object]:
    """The verdict and the checks as one JSON object."""
    checks = [
        {"check": check.name, "verdict": check.verdict.value, "summary": check.summary} for check in verification.checks
    ]
    return {"verdict": verification.verdict.value, "sha256": verification.sha256, "checks": checks}


def _short(field: str, value: object) -> str:
    return str(value)[:10] if field == "not_after" else str(value)


def mark(verdict: Verdict) -> str:
    """The verdict in its colour."""
    colour = {Verdict.PASSED: "green", Verdict.FAILED: "red"}.get(verdict, "yellow")
    return f"[{colour}]{verdict.value}[/{colour}]"


def listing(values: object, nothing: str = "no address") -> str:
    """Values in a row, or a word for none."""
    return ", ".join(str(value) for value in values) if isinstance(values, list | tuple) and values else nothing
