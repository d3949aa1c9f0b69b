"""The site's certificate on its way from the old box to the new one (requirements U9, H3, H4)."""

import hashlib
import ssl
from collections.abc import Mapping
from pathlib import Path

from toolkit.appliances.protocol import CertificateEntry
from toolkit.appliances.trust import box, trust
from toolkit.appliances.world import World
from toolkit.certificates.bundle import Bundle, der, sha256
from toolkit.certificates.chain import arrange
from toolkit.certificates.comparison import compare_served
from toolkit.certificates.export import export
from toolkit.certificates.files import read_content, write_private
from toolkit.certificates.findings import Finding, Severity, examine, verdict_of
from toolkit.certificates.parsing import parse
from toolkit.model.errors import CertificateError, VerificationError
from toolkit.model.execution import Outcome, ReadOnlyStep, Result, StepContext, witness
from toolkit.model.inventory import SharedAddressSwing
from toolkit.model.verdict import Verdict
from toolkit.probes.tls import observe
from toolkit.storage.numbered import following, latest

_FILE = "certificate.pem"


class ExportCertificate(ReadOnlyStep):
    """Exports what users are served, found by what is served and not by what a list calls it."""

    def look(self, context: StepContext) -> Result | None:
        """Done when the file is there, opens, and holds the certificate users are served."""
        path = context.run_directory / _FILE
        if not path.exists():
            return None
        bundle = exported(context)
        return _result(path, bundle, ()) if sha256(bundle.leaf) == _served_before(context) else None

    def act(self, context: StepContext) -> Result:
        """Exports chain and key, puts the chain in order, and writes them with the key encrypted."""
        # an interrupted attempt may have left a file; what is on the box now is what counts
        path = context.run_directory / _FILE
        bundle, findings = export_from_old(context, _served_before(context), path)
        return _result(path, bundle, findings)

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Opens the file with the passphrase: leaf as served, key the leaf's own."""
        bundle = exported(context)
        matches = bundle.key_matches is True and sha256(bundle.leaf) == _served_before(context)
        return witness(
            context,
            probe="file",
            subject=_FILE,
            summary="The exported file opens, holds the certificate users are served, and its private key."
            if matches
            else "The exported file does not hold what users are served, with its key.",
            passed=matches and verdict_of(_findings(context, bundle)) is Verdict.PASSED,
            data={"leaf_sha256": sha256(bundle.leaf), "chain_length": len(bundle.chain)},
        )


class ImportCertificate:
    """Imports the exported identity on the new box and assigns it to every address users or we will use."""

    def look(self, context: StepContext) -> Result | None:
        """Done when the box lists it with its key, assigned to all the addresses."""
        bundle = exported(context)
        trust(context, "new", sha256(bundle.leaf))
        entry = _entry(box(context, "new").certificates(), sha256(bundle.leaf))
        if entry is None or not entry.has_key or not set(_addresses(context)) <= set(entry.addresses):
            return None
        return {"certificate_id": entry.id, "leaf_sha256": entry.sha256, "addresses": list(entry.addresses)}

    def act(self, context: StepContext) -> Result:
        """Certificate and key together or not at all; served at once."""
        entry = import_on_new(context, context.taken_from / _FILE)
        return {"certificate_id": entry.id, "leaf_sha256": entry.sha256, "addresses": list(entry.addresses)}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """What the new box serves on its own address equals what was exported, certificate by certificate."""
        world: World = context.world
        new = box(context, "new")
        bundle = exported(context)
        seen = observe(new.address, world.inventory.new.port, server_name=world.inventory.site.name, verify=False)
        chain = [ssl.PEM_cert_to_DER_cert(certificate.pem) for certificate in seen.chain]
        comparison = compare_served(bundle, chain)
        warnings = [
            text for entry in new.certificates() if entry.sha256 == sha256(bundle.leaf) for text in entry.warnings
        ]
        passed = comparison.verdict is Verdict.PASSED and not warnings
        reasons = [finding.message for finding in comparison.differences] + warnings
        return witness(
            context,
            probe="tls",
            subject=f"new ({new.address})",
            summary="The new box serves exactly what was exported, and warns of nothing."
            if passed
            else f"The new box does not serve what was exported: {'; '.join(reasons)}.",
            passed=passed,
            data={"served_sha256": comparison.seen_sha256, "chain_length": len(chain)},
        )

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """Removes certificate and key from the new box: no private key stays on a box that does not serve."""
        new = box(context, "new")
        leaves = {sha256(exported(context).leaf), sha256(exported_last(context).leaf)}
        for entry in new.certificates():
            if entry.sha256 in leaves:
                new.assign_certificate(entry.id, [])
                new.delete_certificate(entry.id)
        gone = not any(entry.sha256 in leaves for entry in new.certificates())
        return witness(
            context,
            probe="api",
            subject=f"new ({new.address})",
            summary="The new box no longer holds the site's certificate and key."
            if gone
            else "The new box still holds the site's certificate.",
            passed=gone,
        )


def served_certificate(results: Mapping[str, Result]) -> str | None:
    """SHA-256 of what users are to be served: what they were before the run, or what has replaced that since."""
    steps = ("carry-late-changes", "carry-changes")
    replaced = next((leaf for step in steps if (leaf := results.get(step, {}).get("leaf_sha256"))), None)
    served = replaced or results.get("inspect-old", {}).get("served_before_sha256")
    return None if served is None else str(served)


def export_from_old(context: StepContext, wanted: str, path: Path) -> tuple[Bundle, tuple[Finding, ...]]:
    """Writes the old box's certificate of that SHA-256, its chain in order and its key encrypted, to `path`.

    Raises CertificateError when the box does not have it with its key, or when it must not be moved as it is.
    """
    old = box(context, "old")
    passphrase = _passphrase(context)
    entry = _entry(old.certificates(), wanted)
    if entry is None or not entry.has_key:
        raise CertificateError(
            "the certificate users are served cannot be exported",
            where=f"old ({old.address})",
            why="the box does not list it" if entry is None else "the box holds it without its private key",
            next_move="Find where it comes from: something in front of the box may answer for the site.",
        )
    content = old.export_certificate(entry.id, passphrase)
    bundle = arrange(parse(content, passphrase, where=f"old ({old.address})"))
    findings = _findings(context, bundle)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        raise CertificateError(
            "the site's certificate must not be moved as it is",
            where=f"old ({old.address})",
            why="; ".join(finding.message for finding in errors),
            next_move=errors[0].next_move,
        )
    write_private(path, export(bundle, passphrase=passphrase), force=True)
    return bundle, findings


def import_on_new(context: StepContext, path: Path) -> CertificateEntry:
    """Has the new box serve what was exported to `path` on all of its addresses, and on those that move to it."""
    bundle = _opened(context, path)
    # the box's own address serves it from now on: accept it before it does
    trust(context, "new", sha256(bundle.leaf))
    new = box(context, "new")
    entry = new.import_certificate(read_content(path), _passphrase(context))
    return new.assign_certificate(entry.id, _addresses(context))


def _passphrase(context: StepContext) -> str:
    world: World = context.world
    return world.secret(world.inventory.certificate.passphrase, "the exported certificate")


def exported(context: StepContext) -> Bundle:
    """The identity this run has exported, as the step takes it; raises CertificateError when it does not open."""
    return _opened(context, context.taken_from / _FILE)


def exported_last(context: StepContext) -> Bundle:
    """The same, as the run has exported it last: it may have been replaced on the old box meanwhile."""
    first = context.run_directory / _FILE
    last = latest(first)
    return exported(context) if last == first else _opened(context, last)


def last_export(context: StepContext) -> Path:
    """Where the certificate lies that the run has exported last."""
    return latest(context.run_directory / _FILE)


def next_export(context: StepContext) -> Path:
    """Where the next exported certificate belongs: beside the first, never over it."""
    return following(context.run_directory / _FILE)


def _opened(context: StepContext, path: Path) -> Bundle:
    return arrange(parse(read_content(path), _passphrase(context), where=str(path)), where=str(path))


def _served_before(context: StepContext) -> str:
    served = context.results["inspect-old"]["served_before_sha256"]
    if not isinstance(served, str):
        raise VerificationError(
            "it is not known which certificate users were served",
            where="the run's results",
            next_move="Start a new run.",
        )
    return served


def _findings(context: StepContext, bundle: Bundle) -> tuple[Finding, ...]:
    world: World = context.world
    return examine(bundle, at=context.clock.now(), name=world.inventory.site.name, key_wanted=True)


def _entry(entries: tuple[CertificateEntry, ...], leaf_sha256: str) -> CertificateEntry | None:
    return next((entry for entry in entries if entry.sha256 == leaf_sha256), None)


def _addresses(context: StepContext) -> list[str]:
    """The new box's own addresses, and those that will move to it."""
    world: World = context.world
    own = [entry.address for entry in box(context, "new").network().addresses if not entry.shared]
    shared = world.inventory.site.addresses if isinstance(world.inventory.swing, SharedAddressSwing) else ()
    return sorted({*own, *shared})


def _result(path: Path, bundle: Bundle, findings: tuple[Finding, ...]) -> Result:
    return {
        "file": path.name,
        "file_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "leaf_sha256": sha256(bundle.leaf),
        "chain_sha256": [hashlib.sha256(der(certificate)).hexdigest() for certificate in bundle.chain],
        "issued_to": bundle.leaf.subject.rfc4514_string(),
        "not_after": bundle.leaf.not_valid_after_utc.isoformat(),
        "findings": [f"{finding.code}: {finding.message}" for finding in findings],
    }
