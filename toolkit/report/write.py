"""Writes what a run leaves for people and programs, each file whole or not at all."""

from collections.abc import Iterable
from pathlib import Path

from toolkit.model.evidence import EvidenceRecord
from toolkit.model.plan import Plan
from toolkit.model.run_report import RunReport
from toolkit.report.page import html_page
from toolkit.report.reading import read_run
from toolkit.report.runbook import runbook
from toolkit.storage.whole_file import write_whole

_COMPANIONS = ("evidence.jsonl", "capture.pcapng")


def write_report(run: RunReport, evidence: Iterable[EvidenceRecord], plan: Plan, folder: Path) -> None:
    """Writes `report.json`, `runbook.md` and `report.html` into the run's folder, over what an earlier call left.

    `evidence` is read once. The page links to `evidence.jsonl` and `capture.pcapng` where they are there already.
    Raises StorageError; a file that could not be written is as it was before.
    """
    reading = read_run(run, evidence, plan)
    companions = [name for name in _COMPANIONS if (folder / name).is_file()]
    contents = {
        "report.json": run.model_dump_json(indent=2) + "\n",
        "runbook.md": runbook(reading),
        "report.html": html_page(reading, ["report.json", "runbook.md", *companions]),
    }
    then = f"make the report again; older runs are in {folder.parent}"
    for name, content in contents.items():
        write_whole(folder / name, content.encode("utf-8"), mode=0o644, then=then)
