"""The page tells a recorded run as it was, and no text of a run can become a part of the page."""

import os
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings

from tests.report.samples import FIXTURES, RECORDED, Sample, a_plan, a_run, a_step, recorded, samples
from toolkit.model.evidence import EvidenceRecord
from toolkit.model.run_report import RunReport
from toolkit.report.page import html_page
from toolkit.report.reading import read_run
from toolkit.report.runbook import runbook

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}</style>`|\n# [x](javascript:alert(3))"
FILES = ("report.json", "runbook.md", "evidence.jsonl")


def page_of(sample: Sample) -> str:
    return html_page(read_run(sample.report, sample.evidence, sample.plan), FILES)


def parsed(page: str) -> ET.Element:
    """The page read strictly, as XML: stricter than any browser, so nothing is silently repaired."""
    return ET.fromstring(page.removeprefix("\n"))  # noqa: S314  # our own page


def normalised(text: str) -> str:
    """White space does not count, so that a template may be indented otherwise."""
    return re.sub(r">\s+<", ">\n<", re.sub(r"[ \t\r\n]+", " ", text)).strip()


def compare_with_golden(text: str, path: Path) -> None:
    if os.environ.get("REBOX_WRITE_GOLDEN"):
        path.write_text(text)
    assert normalised(text) == normalised(path.read_text())


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_run_reads_as_agreed(name: str) -> None:
    compare_with_golden(page_of(recorded(name)), FIXTURES / name / "report.html")


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_run_makes_the_agreed_runbook(name: str) -> None:
    sample = recorded(name)
    compare_with_golden(runbook(read_run(sample.report, sample.evidence, sample.plan)), FIXTURES / name / "runbook.md")


def structure(page: str) -> Counter[str]:
    return Counter(element.tag.rpartition("}")[2] for element in parsed(page).iter())


def hostile(value: object) -> object:
    """The same data with every text hostile that is not a name of ours."""
    if isinstance(value, dict):
        return {key: inner if key in _OURS else hostile(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [hostile(inner) for inner in value]
    return value + HOSTILE if isinstance(value, str) else value


_OURS = {"verdict", "mode", "started", "finished", "watch_started", "not_after", "time", "state", "taken_back", "box"}


def test_no_text_of_a_run_changes_the_structure_of_its_page() -> None:
    sample = recorded("went-back")
    attacked = Sample(
        RunReport.model_validate(hostile(sample.report.model_dump(mode="json"))),
        tuple(EvidenceRecord.model_validate(hostile(record.model_dump(mode="json"))) for record in sample.evidence),
        sample.plan.model_copy(update={"steps": ()}),
    )
    calm = Sample(sample.report, sample.evidence, attacked.plan)
    page = page_of(attacked)
    tags = structure(page)
    assert "script" not in tags
    assert "img" not in tags
    assert "alert(1)" in page
    assert "49" not in re.findall(r"onerror=alert\(2\)&gt;(\d+)", page)
    links = [element.get("href") or "" for element in parsed(page).iter("a")]
    assert all(link.startswith("#") or link in FILES for link in links)
    # the same elements as for the calm run, but for svg labels that have or have no room and links to steps by name
    for tag in ("section", "table", "li", "details", "dl", "style", "svg", "h2", "h3", "p"):
        assert tags[tag] == structure(page_of(calm))[tag], tag


def test_a_hostile_run_id_stays_one_word_of_one_command() -> None:
    report = a_run(run_id="x`; rm -rf / #\n```\n# owned")
    text = runbook(read_run(report, (), a_plan("look", "swing", "reset")))
    assert "rebox back 'x`; rm -rf / # ``` # owned'\n" in text
    assert "\n# owned" not in text


def test_every_link_inside_the_page_leads_somewhere_and_no_place_exists_twice() -> None:
    for name in RECORDED:
        page = parsed(page_of(recorded(name)))
        ids = [element.get("id") for element in page.iter() if element.get("id")]
        assert len(ids) == len(set(ids))
        targets = {link[1:] for element in page.iter("a") if (link := element.get("href") or "").startswith("#")}
        assert targets <= set(ids)


def test_evidence_that_is_not_in_the_record_is_named_without_a_link() -> None:
    page = page_of(Sample(a_run(a_step("look", evidence=("look/1",))), (), a_plan("look")))
    assert "look/1 (not shown here)" in page


def test_the_page_allows_itself_nothing_from_outside() -> None:
    page = page_of(recorded("migrated"))
    assert "default-src 'none'" in page
    assert not re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", page)


@given(samples)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_whatever_was_recorded_the_page_is_well_formed_and_the_runbook_is_made(sample: Sample) -> None:
    reading = read_run(sample.report, sample.evidence, sample.plan)
    page = parsed(html_page(reading))
    headings = [int(element.tag[1]) for element in page.iter() if re.fullmatch("h[1-6]", element.tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(deeper - level <= 1 for level, deeper in pairwise(headings))
    assert "script" not in {element.tag for element in page.iter()}
    assert runbook(reading).startswith("# Runbook: ")
