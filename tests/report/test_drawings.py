"""The two drawings hold what they must, on their paper, in words as well."""

import re
from xml.etree import ElementTree as ET

from hypothesis import HealthCheck, given, settings

from tests.report.samples import (
    NEW_MAC,
    OLD_MAC,
    STARTED,
    STRANGE_MAC,
    Sample,
    a_plan,
    a_run,
    a_step,
    a_watch,
    an_outage,
    recorded,
    samples,
)
from toolkit.model.run_report import Gap, RunReport
from toolkit.model.verdict import Verdict
from toolkit.report.course import course
from toolkit.report.outage import watch_of
from toolkit.report.outage_plot import draw_outage
from toolkit.report.quantities import NB
from toolkit.report.svg import NARROW, PAPERS, WIDE, Paper
from toolkit.report.timeline import draw_timeline

SVG = "{http://www.w3.org/2000/svg}"


def parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314  # our own drawing; that it is well-formed is the point


def words_in(picture: str) -> list[str]:
    return ["".join(text.itertext()).replace(NB, " ") for text in parsed(picture).iter(f"{SVG}text")]


def hovers_in(picture: str) -> list[str]:
    return [(title.text or "").replace(NB, " ") for title in parsed(picture).iter(f"{SVG}title")]


def widths(picture: str, class_: str) -> list[float]:
    return [float(rect.get("width", "")) for rect in parsed(picture).iter(f"{SVG}rect") if rect.get("class") == class_]


def timeline(report: RunReport, *planned: str, paper: Paper = WIDE) -> str:
    return draw_timeline(report, course(report, a_plan(*planned)), watch_of(report), paper)


def test_gaps_are_drawn_to_scale() -> None:
    picture = draw_outage(a_watch(icmp=an_outage((1000, 1010)), tcp=an_outage((1000, 1040))), STARTED)
    ten, forty = widths(picture, "gap")
    assert abs(forty / ten - 4) < 0.01
    assert {"10 ms", "40 ms"} <= set(words_in(picture))


def test_the_floor_is_drawn_to_the_same_scale_as_the_gap() -> None:
    picture = draw_outage(a_watch(icmp=an_outage((1000, 1010))), STARTED)
    (gap,) = widths(picture, "gap")
    floor = next(line for line in parsed(picture).iter(f"{SVG}line") if line.get("class") == "floor")
    length = float(floor.get("x2", "")) - float(floor.get("x1", ""))
    assert abs(gap / length - 5) < 0.01


def test_a_gap_below_the_floor_looks_otherwise_and_claims_no_length() -> None:
    picture = draw_outage(a_watch((0, OLD_MAC, "old"), (500, NEW_MAC, "new"), icmp=an_outage((500, 501.5))), STARTED)
    assert widths(picture, "gap") == []
    assert len(widths(picture, "gap-below-floor")) == 1
    assert "1.5 ms" not in words_in(picture)


def test_every_owner_is_named_in_words_and_a_stranger_as_one() -> None:
    picture = draw_outage(
        a_watch((0, OLD_MAC, "old"), (500, STRANGE_MAC, None), (540, NEW_MAC, "new"), icmp=an_outage((500, 540))), None
    )
    said = " ".join(hovers_in(picture))
    assert f"old box ({OLD_MAC})" in said
    assert f"a stranger ({STRANGE_MAC})" in said
    assert f"new box ({NEW_MAC})" in said


def test_an_owner_that_was_not_recorded_is_said_to_be_so() -> None:
    assert "not recorded" in words_in(draw_outage(a_watch(icmp=an_outage((500, 540))), None))


def test_a_method_that_measured_nothing_and_a_stretch_without_watch_are_no_answers() -> None:
    blind = (Gap(start_ms=100, end_ms=4000),)
    picture = draw_outage(a_watch(icmp=an_outage(unwatched=blind), tcp=an_outage(sent=0)), None)
    assert "not measured" in words_in(picture)
    assert "not watched" in words_in(picture)


def test_a_floor_longer_than_the_close_up_has_no_end_in_it() -> None:
    def strokes(**outage: float) -> int:
        picture = draw_outage(a_watch(icmp=an_outage((500, 540)), https=an_outage(**outage)), None)
        return sum(line.get("class") == "floor" for line in parsed(picture).iter(f"{SVG}line"))

    assert strokes(own_gap_ms_max=20) - strokes(own_gap_ms_max=2000) == 1


def test_every_close_up_says_what_it_shows() -> None:
    watch = a_watch(
        (0, OLD_MAC, "old"),
        (1000, NEW_MAC, "new"),
        (3000, STRANGE_MAC, None),
        icmp=an_outage((7000, 7060), unwatched=(Gap(start_ms=8000, end_ms=9000),)),
    )
    for paper in PAPERS:
        said = words_in(draw_outage(watch, STARTED, paper))
        assert [words.partition(":")[0] for words in said if "; 0 is 22:00:0" in words] == [
            "the swing",
            "a stranger",
            "no answer",
            "not watched",
        ]


def test_on_a_telephone_words_stand_above_what_they_name() -> None:
    report = a_run(a_step("look", seconds=2), a_step("swing", seconds=6, offset_seconds=2))
    for paper, above in ((WIDE, False), (NARROW, True)):
        root = parsed(timeline(report, paper=paper))
        bar = next(rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "bar bar-passed")
        name = next(text for text in root.iter(f"{SVG}text") if text.text == "look")
        assert (float(name.get("y", "")) <= float(bar.get("y", ""))) is above


def test_the_axis_counts_from_the_swing_and_says_what_time_that_was() -> None:
    picture = draw_outage(a_watch(icmp=an_outage((1500, 1510))), STARTED)
    assert any("0 is 22:00:01.500 UTC" in words for words in words_in(picture))
    assert "0 ms" in words_in(picture)


def test_every_step_has_a_row_that_says_how_it_went() -> None:
    steps = (
        a_step("look", seconds=2),
        a_step("swing", seconds=6, offset_seconds=2, verdict=Verdict.FAILED, taken_back=Verdict.PASSED),
    )
    picture = timeline(a_run(*steps), "look", "swing", "reset")
    assert abs(widths(picture, "bar bar-failed")[0] / widths(picture, "bar bar-passed")[0] - 3) < 0.01
    assert "✗ failed, 6 s, taken back" in words_in(picture)
    assert "not reached" in words_in(picture)
    assert "3. Do reset (automatic): not reached" in hovers_in(picture)


def test_the_outage_is_marked_on_the_timeline_only_where_its_time_is_known() -> None:
    report = a_run(outage={"icmp": an_outage((100, 141))})
    assert "no answer for 41 ms (icmp)" not in words_in(timeline(report))
    known = report.model_copy(update={"watch_started": STARTED})
    assert "no answer for 41 ms (icmp)" in words_in(timeline(known))


def test_a_label_that_has_no_room_beside_its_bar_stands_on_it() -> None:
    long = a_step("soak", seconds=100, verdict=Verdict.FAILED, taken_back=Verdict.FAILED)
    label = next(
        text for text in parsed(timeline(a_run(long))).iter(f"{SVG}text") if "failed" in "".join(text.itertext())
    )
    assert label.get("class") == "inside inside-failed"


def test_both_drawings_of_a_recorded_run_have_a_title_and_a_description() -> None:
    sample = recorded("went-back")
    watch = watch_of(sample.report)
    passages = course(sample.report, sample.plan)
    drawn = [draw_timeline(sample.report, passages, watch, paper) for paper in PAPERS]
    drawn += [draw_outage(watch, None, paper) for paper in PAPERS]
    for picture in drawn:
        root = parsed(picture)
        named = {element.get("id") for element in root if element.tag in {f"{SVG}title", f"{SVG}desc"}}
        assert root.get("role") == "img"
        assert set((root.get("aria-labelledby") or "").split()) == named


@given(samples)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_whatever_was_recorded_the_drawings_are_well_formed_and_stay_on_their_paper(sample: Sample) -> None:
    watch = watch_of(sample.report)
    passages = course(sample.report, sample.plan)
    drawn = [(paper, draw_timeline(sample.report, passages, watch, paper)) for paper in PAPERS]
    drawn += [(paper, draw_outage(watch, sample.report.watch_started, paper)) for paper in PAPERS]
    for paper, picture in drawn:
        for rect in parsed(picture).iter(f"{SVG}rect"):
            x, width = float(rect.get("x", "0")), float(rect.get("width", ""))
            assert x >= 0
            assert width >= 0
            assert x + width <= paper.width + 0.02
        assert not re.search(r'"[^"]*\b(?:nan|inf)\b[^"]*"', re.sub(r">[^<]*<|id=\"[^\"]*\"", "><", picture))
