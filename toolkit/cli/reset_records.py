"""`rebox reset verify`: whether an erasure record is as its signer left it, and what the medium holds now."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from toolkit.cli.output import JsonOption, emit_json, end, out, progress_bar, result_table
from toolkit.disks.facts import disks
from toolkit.lab.folder import state_folder
from toolkit.model.errors import InputError
from toolkit.model.verdict import Verdict, combine
from toolkit.reset.record import ReadRecord, open_record
from toolkit.reset.rereading import Medium, Rereading, find_medium, name_medium, read_again
from toolkit.signing import trusted_signers

_COLOURS = {Verdict.PASSED: "green", Verdict.FAILED: "red", Verdict.UNKNOWN: "yellow"}
_NOT_THERE = "The medium is not on this machine: it was not read."
_NOT_WANTED = "The medium was not read: only the signature was asked for."


def verify_record(
    record: Annotated[Path, typer.Argument(metavar="RECORD", help="The record: a file SERIAL.erasure.json.")],
    *,
    device: Annotated[
        Path | None, typer.Option("--device", help="The medium, where it is no disk of this machine: an image, a loop.")
    ] = None,
    serial: Annotated[
        str | None, typer.Option("--serial", help="Your word that --device, which tells none, has this serial number.")
    ] = None,
    read: Annotated[
        bool | None, typer.Option("--read/--no-read", help="Insist on reading it, or do not; else: if it is there.")
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Only the places that were read at the erasure.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check the signature of an erasure record, and read the medium again if it is there; changes nothing.

    Ends with 1 when the record was altered, says failed, or something is on the medium; with 4 when the record says
    unknown, the medium cannot be read, or --read was given and it is not there. A genuine record that says passed ends
    with 0, and the words say when the medium was not read.
    """
    if read is False and (device is not None or sample):
        raise InputError("--no-read does not go with --device and --sample", next_move="Leave one of them out.")
    opened = open_record(record, trusted_signers(state_folder()))
    medium = None if read is False else _medium(opened, device, serial)
    reading = None if medium is None else _read(opened, medium, sample=sample)
    verdicts = [opened.record.verdict]
    if reading is not None:
        verdicts.append(reading.verdict)
    elif read:
        verdicts.append(Verdict.UNKNOWN)
    verdict = combine(verdicts)
    not_read = "" if reading else _NOT_WANTED if read is False else _NOT_THERE
    if as_json:
        emit_json(_document(opened, reading, not_read, verdict))
    else:
        _show(record, opened, reading, not_read)
    end(verdict)


def _medium(opened: ReadRecord, device: Path | None, serial: str | None) -> Medium | None:
    erasure = opened.record.erasure
    if device is not None:
        return name_medium(erasure, device, serial)
    if serial is not None:
        raise InputError("--serial says what --device is", next_move="Give --device as well.")
    return find_medium(erasure, disks(loops=True))


def _read(opened: ReadRecord, medium: Medium, *, sample: bool) -> Rereading:
    with progress_bar(f"reading {medium.path}") as report:
        return read_again(opened.record.erasure, medium, sample=sample, progress=lambda fraction: report(fraction, ""))


def _document(opened: ReadRecord, reading: Rereading | None, not_read: str, verdict: Verdict) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "signer": opened.signer,
        "sha256": opened.sha256,
        "says": opened.record.verdict,
        "record": opened.record.model_dump(mode="json"),
        "read_again": None if reading is None else asdict(reading),
        "not_read": not_read or None,
    }


def _show(path: Path, opened: ReadRecord, reading: Rereading | None, not_read: str) -> None:
    record, erasure = opened.record, opened.record.erasure
    rows = [
        ("medium", " ".join(word for word in (erasure.vendor, erasure.model, erasure.media_type) if word)),
        ("serial number", erasure.identity or "none"),
        ("WWN", erasure.wwn),
        ("capacity", f"{erasure.capacity_bytes:,} bytes"),
        ("site", record.context.site),
        ("source", record.context.source),
        ("sanitization", f"{erasure.category}: {erasure.technique}, {erasure.passes} passes"),
        *((f"image {layer.place}", " ".join((layer.result, layer.reason)).strip()) for layer in erasure.layers),
        *(("not wiped", kept) for kept in erasure.kept_beside),
        ("begun again", "yes: an earlier wipe was cut off" if erasure.again else ""),
        ("verification", f"{erasure.verification}, {erasure.verified_bytes:,} bytes read back"),
        ("began, ended", f"{erasure.started:%Y-%m-%d %H:%M:%S %Z}, {erasure.finished:%Y-%m-%d %H:%M:%S %Z}"),
        ("operator", erasure.operator or "not recorded"),
        ("run", erasure.run_id or "none"),
        ("tool", f"{erasure.tool} {erasure.tool_version}"),
        ("SHA-256", opened.sha256),
    ]
    result_table(
        f"Erasure record {escape(str(path))}", ("field", "value"), [(name, escape(told)) for name, told in rows if told]
    )
    out.print(f"Signature   [green]valid[/green], by {opened.signer}", soft_wrap=True)
    out.print(f"It says     {_coloured(record.verdict)} {escape(record.doubt)}", soft_wrap=True)
    if reading is None:
        out.print(f"Read again  no. {not_read}", soft_wrap=True)
        return
    out.print(
        f"Read again  {_coloured(reading.verdict)}: {reading.verification}, {reading.bytes_read:,} bytes of "
        f"{escape(reading.device)}, which is known by {escape(reading.identified)}. {escape(reading.reason)}",
        soft_wrap=True,
    )


def _coloured(verdict: Verdict) -> str:
    return f"[{_COLOURS[verdict]}]{verdict}[/{_COLOURS[verdict]}]"
