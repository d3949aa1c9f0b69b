"""The erasure records of a run, as its report lists them: what each says, if it is as its signer left it."""

from pathlib import Path

from toolkit.model.errors import ReboxError
from toolkit.model.run_report import ErasureReport
from toolkit.model.verdict import Verdict
from toolkit.reset.record import ANYBODY, ReadRecord, open_record
from toolkit.reset.record_files import RECORDS_FOLDER, page_of, records_in


def read_erasures(run_directory: Path) -> tuple[ErasureReport, ...]:
    """Every record in the run's folder, in the order of their names; one that was altered is unknown, and says so.

    Whose signature counts is not asked here: the report names the signer, `rebox reset verify` asks.
    """
    return tuple(_read(path, run_directory) for path in records_in(run_directory / RECORDS_FOLDER))


def _read(path: Path, run_directory: Path) -> ErasureReport:
    record, page = (str(one.relative_to(run_directory)) for one in (path, page_of(path)))
    try:
        opened = open_record(path, ANYBODY)
    except ReboxError as error:
        reason = f"{error.what}: {error.why}" if error.why else error.what
        return ErasureReport(record=record, page=page, medium=path.name, verdict=Verdict.UNKNOWN, reason=reason)
    return _told(opened, record, page)


def _told(opened: ReadRecord, record: str, page: str) -> ErasureReport:
    erasure = opened.record.erasure
    words = (erasure.identity or "no serial number", erasure.vendor, erasure.model, erasure.media_type)
    return ErasureReport(
        record=record,
        page=page,
        medium=", ".join(word for word in words if word),
        technique=f"{erasure.category}: {erasure.technique}" + (", begun again" if erasure.again else ""),
        verification=f"{erasure.verification}, {erasure.verified_bytes:,} of {erasure.capacity_bytes:,} bytes",
        verdict=opened.record.verdict,
        reason=opened.record.doubt,
        signer=opened.signer,
    )
