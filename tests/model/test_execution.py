"""Outcomes of several looks as one."""

from toolkit.model.execution import Outcome, together
from toolkit.model.verdict import Verdict


def test_several_looks_are_told_in_sentences_of_which_each_has_its_full_stop() -> None:
    page, box = (
        Outcome(Verdict.PASSED, "https on 10.77.0.22 port 443 answers 200"),
        Outcome(Verdict.PASSED, "It is it."),
    )
    assert together(page, box).summary == "https on 10.77.0.22 port 443 answers 200. It is it."


def test_the_worst_verdict_counts_and_only_what_explains_it_is_told() -> None:
    good, bad = Outcome(Verdict.PASSED, "All is well."), Outcome(Verdict.FAILED, "Nobody answers.")
    assert together(good, bad) == Outcome(Verdict.FAILED, "Nobody answers.", ())
