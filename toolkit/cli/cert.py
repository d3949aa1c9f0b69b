"""`rebox cert`: inspect, export, import and verify certificates in files, on live addresses and on boxes."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from toolkit.appliances.protocol import Certified
from toolkit.certificates.bundle import Bundle, der, label, sha256
from toolkit.certificates.carrying import bring, choose, take
from toolkit.certificates.chain import arrange
from toolkit.certificates.comparison import compare_served, same_identity
from toolkit.certificates.export import Format, KeyHandling, export, key_to_write
from toolkit.certificates.files import read_content, write_private
from toolkit.certificates.findings import Finding, Severity, examine
from toolkit.certificates.parsing import parse
from toolkit.certificates.verification import verify
from toolkit.cli.cert_sources import (
    Role,
    look_at_box,
    open_file,
    open_source,
    trusted,
    unknown_when_unreachable,
    working_on_box,
    wrong_input,
)
from toolkit.cli.cert_view import (
    bundle_document,
    findings_document,
    listing,
    mark,
    report_written,
    show_bundle,
    show_entries,
    show_findings,
    show_verification,
    verification_document,
)
from toolkit.cli.output import JsonOption, emit_json, end, out
from toolkit.model.errors import CertificateError, InputError, RefusedError, VerificationError
from toolkit.model.verdict import Verdict
from toolkit.secrets import resolve_new

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Certificates: inspect, export, import, verify (H3, H4)."
)


SourceArgument = Annotated[
    str | None, typer.Argument(metavar="FILE|HOST[:PORT]|[V6]:PORT", help="A certificate file, or a live TLS server.")
]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The file that holds certificate, chain and key.")]
KeyOption = Annotated[Path | None, typer.Option("--key", help="A file with the private key, when it is apart.")]
PassphraseOption = Annotated[
    str | None, typer.Option("--passphrase", metavar="REF", help="What opens FILE: prompt, env:NAME or file:PATH.")
]
NewPassphraseOption = Annotated[
    str | None,
    typer.Option("--new-passphrase", metavar="REF", help="What the key is encrypted with; else that of --passphrase."),
]
NameOption = Annotated[str | None, typer.Option("--name", help="The name to check; also the SNI for live servers.")]
InventoryOption = Annotated[Path | None, typer.Option("--inventory", help="The inventory that names the box.")]
BoxOption = Annotated[Role | None, typer.Option("--box", help="Which box of the inventory.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite the file when it is there.")]
UnencryptedOption = Annotated[
    bool, typer.Option("--unencrypted-key", help="Write the key without encryption; whoever reads the file has it.")
]
TimeOption = Annotated[datetime | None, typer.Option("--at", help="Judge as of this time (UTC) instead of now.")]


@app.command("inspect")
def inspect_command(
    source: SourceArgument = None,
    *,
    name: NameOption = None,
    key: KeyOption = None,
    passphrase: PassphraseOption = None,
    inventory: InventoryOption = None,
    box: BoxOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the chain, the key and everything that is wrong with them; changes nothing."""
    if inventory is not None or box is not None:
        _refuse_together(source, "--box")
        entries = look_at_box(inventory, box).certificates()
        return show_entries(f"Certificates of the {box} box", entries, as_json=as_json)
    bundle, endpoint = open_source(source, name, key, passphrase)
    asked = name or (endpoint.host if endpoint else None)
    findings = examine(bundle, at=datetime.now(UTC), name=asked, key_wanted=None if endpoint else False)
    if as_json:
        return emit_json(bundle_document(source, bundle, findings))
    show_bundle(str(source), bundle)
    show_findings(findings)
    return None


@app.command("verify")
def verify_command(
    source: SourceArgument = None,
    *,
    name: NameOption = None,
    key: KeyOption = None,
    passphrase: PassphraseOption = None,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", help="Trusted authorities; without it this machine's own.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="An exported file that SOURCE has to equal, for example as served.")
    ] = None,
    against_passphrase: Annotated[
        str | None, typer.Option("--against-passphrase", metavar="REF", help="What opens the file of --against.")
    ] = None,
    at: TimeOption = None,
    inventory: InventoryOption = None,
    box: BoxOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify name, validity, key, chain and trust; ends with 0 passed, 1 failed, 4 when it cannot be told."""
    if inventory is not None or box is not None:
        with unknown_when_unreachable():
            verdict = _verify_box(source, key, passphrase, look_at_box(inventory, box), as_json=as_json)
        end(verdict)
    with unknown_when_unreachable():
        bundle, endpoint = open_source(source, name, key, passphrase)
    comparison = None
    if against is not None:
        expected = open_file(against, None, against_passphrase)
        if endpoint is None:
            comparison = same_identity(expected, bundle)
        else:
            comparison = compare_served(expected, [der(certificate) for certificate in bundle.found.certificates])
    verification = verify(
        bundle,
        at=_moment(at),
        anchors=trusted(ca_file),
        name=name or (endpoint.host if endpoint else None),
        key_wanted=True if key else (None if endpoint else False),
        comparison=comparison,
    )
    if as_json:
        emit_json(bundle_document(source, bundle, verification.findings) | verification_document(verification))
    else:
        show_verification(str(source), verification)
    end(verification.verdict)


@app.command("export")
def export_command(
    source: SourceArgument = None,
    *,
    to: Annotated[Path | None, typer.Option("--to", help="The file to write.")] = None,
    form: Annotated[Format, typer.Option("--format", help="The container to write.")] = Format.PEM,
    key: KeyOption = None,
    passphrase: PassphraseOption = None,
    new_passphrase: NewPassphraseOption = None,
    without_key: Annotated[bool, typer.Option("--without-key", help="Write the certificates alone.")] = False,
    unencrypted_key: UnencryptedOption = False,
    name: NameOption = None,
    certificate_id: Annotated[int | None, typer.Option("--id", help="Which certificate of the box.")] = None,
    inventory: InventoryOption = None,
    box: BoxOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a certificate, its chain in order and its key, encrypted, into one private file."""
    if to is None:
        raise InputError("there is no file to write to", next_move="Name it by --to.")
    handling = _handling(without_key=without_key, unencrypted=unencrypted_key)
    if inventory is not None or box is not None:
        _refuse_together(source, "--box")
        with working_on_box(inventory, box, "export") as opened:
            bundle = take(opened, choose(opened.certificates(), certificate_id).id)
    else:
        bundle, endpoint = open_source(source, name, key, passphrase)
        if endpoint is not None and handling is not KeyHandling.LEFT_OUT and bundle.key is None:
            raise InputError(
                "a live server does not give its private key",
                where=str(endpoint),
                next_move="Export the certificates alone by --without-key, or give the key by --key.",
            )
    if handling is not KeyHandling.LEFT_OUT:
        # before a passphrase is asked for that there is nothing to lock with
        with wrong_input():
            key_to_write(bundle, form)
    secret = _new_secret(handling, new_passphrase or passphrase)
    content = export(bundle, form=form, key=handling, passphrase=secret)
    write_private(to, content, force=force)
    report_written(to, bundle, handling, form, as_json=as_json)


@app.command("import")
def import_command(
    file: FileArgument,
    *,
    to: Annotated[
        Path | None, typer.Option("--to", help="A file for a web server, or the folder to put it in by its name.")
    ] = None,
    key: KeyOption = None,
    passphrase: PassphraseOption = None,
    new_passphrase: NewPassphraseOption = None,
    unencrypted_key: UnencryptedOption = False,
    name: NameOption = None,
    assign: Annotated[
        list[str] | None, typer.Option("--assign", help="An address of the box that serves it from now on; repeatable.")
    ] = None,
    inventory: InventoryOption = None,
    box: BoxOption = None,
    force: ForceOption = False,
    at: TimeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring certificate, chain and key to a box or into a web server's file, and prove that they are there.

    Refused when anything about them is an error: expired, no key or another's, a wrong name or a wrong chain.
    """
    bundle = open_file(file, key, passphrase)
    findings = examine(bundle, at=_moment(at), name=name, key_wanted=True)
    _refuse_errors(file, findings)
    if inventory is not None or box is not None:
        with working_on_box(inventory, box, "import") as opened:
            entry = bring(opened, bundle, assign or ())
        if as_json:
            return emit_json({"entry": entry.model_dump(mode="json"), "findings": findings_document(findings)})
        out.print(f"Imported as {entry.id}: {escape(entry.issued_to)}, served on {listing(entry.addresses)}.")
        return show_findings(findings)
    if to is None:
        raise InputError("there is nowhere to import it to", next_move="Name a file by --to, or a box by --box.")
    target = to / f"{_file_name(bundle)}.pem" if to.is_dir() else to
    handling = _handling(without_key=False, unencrypted=unencrypted_key)
    secret = _new_secret(handling, new_passphrase or passphrase)
    # certificate and key in one file: they are replaced together or not at all
    write_private(target, export(bundle, key=handling, passphrase=secret, with_roots=False), force=force)
    _prove_written(target, bundle, secret)
    report_written(target, bundle, handling, Format.PEM, as_json=as_json)
    return None if as_json else show_findings(findings)


def _refuse_together(source: str | None, option: str) -> None:
    if source is not None:
        raise InputError(f"{source!r} and {option} cannot go together", next_move="Give the one or the other.")


def _moment(at: datetime | None) -> datetime:
    return datetime.now(UTC) if at is None else at.replace(tzinfo=UTC)


# --- where they go


def _handling(*, without_key: bool, unencrypted: bool) -> KeyHandling:
    if without_key and unencrypted:
        raise InputError("--without-key and --unencrypted-key contradict each other", next_move="Give one of them.")
    if without_key:
        return KeyHandling.LEFT_OUT
    return KeyHandling.UNENCRYPTED if unencrypted else KeyHandling.ENCRYPTED


def _new_secret(handling: KeyHandling, reference: str | None) -> str | None:
    if handling is not KeyHandling.ENCRYPTED:
        return None
    if reference is None:
        raise RefusedError(
            "the private key is not written without encryption",
            why="no passphrase was given",
            next_move="Give --new-passphrase prompt (or env:NAME, file:PATH), --without-key, or --unencrypted-key.",
        )
    return resolve_new(reference, "the new passphrase")


def _refuse_errors(file: Path, findings: tuple[Finding, ...]) -> None:
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        raise CertificateError(
            "it is not imported",
            where=str(file),
            why="; ".join(f"{error.code.value}: {error.message}" for error in errors),
            next_move=errors[0].next_move,
        )


def _prove_written(target: Path, bundle: Bundle, secret: str | None) -> None:
    seen = arrange(parse(read_content(target), secret, where=str(target)), where=str(target))
    compared = same_identity(bundle, seen)
    if compared.verdict is not Verdict.PASSED:
        raise VerificationError(
            "the file does not hold what was imported",
            where=str(target),
            why="; ".join(difference.message for difference in compared.differences),
            next_move="Import it again by --force.",
        )


def _file_name(bundle: Bundle) -> str:
    name = label(bundle.leaf.subject).lower().replace("*", "wildcard")
    return "".join(character if character.isalnum() or character in ".-" else "_" for character in name).strip(".")


# --- boxes


def _verify_box(
    source: str | None, key: Path | None, passphrase: str | None, box: Certified, *, as_json: bool
) -> Verdict:
    """Whether the box holds the file's certificate with its key, and finds nothing wrong with it (H4)."""
    if source is None:
        raise InputError("there is nothing to compare the box with", next_move="Give the exported file.")
    wanted = sha256(open_file(Path(source), key, passphrase).leaf)
    entry = next((one for one in box.certificates() if one.sha256 == wanted), None)
    problems = ["the box does not have it"] if entry is None else list(entry.warnings)
    if entry is not None and not entry.has_key:
        problems.append("the box has it without its key")
    verdict = Verdict.FAILED if problems else Verdict.PASSED
    if as_json:
        held = None if entry is None else entry.model_dump(mode="json")
        emit_json({"verdict": verdict.value, "sha256": wanted, "entry": held, "problems": problems})
    else:
        addresses = listing(entry.addresses) if entry else ""
        words = "; ".join(problems) or f"the box holds it, served on {addresses}"
        out.print(f"{mark(verdict)}  {escape(words)}")
    return verdict
