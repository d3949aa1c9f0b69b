"""`rebox recover` and what the other commands say of a damaged run, as people and programs use them."""

import json
from typing import Any

import pytest

from tests.cli.test_runs import Command, rebox, typed, wiring
from tests.engine.ledger import REVERSIBLE
from toolkit.engine.journal import JOURNAL_FILE
from toolkit.engine.recovery import Effect, Seen
from toolkit.model.verdict import Verdict
from toolkit.traffic import around
from toolkit.traffic.around import Sight

__all__ = ["rebox", "wiring"]


@pytest.fixture(autouse=True)
def _world(wiring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wiring.has_begun = lambda context: Seen(Effect.MISSING, "the old box says that it was not reset")
    wiring.operator_name = lambda: "somebody"
    sights = (Sight("old box", "OLD-1 answers"), Sight("new box", "it does not answer", known=False))
    monkeypatch.setattr(around, "look_around", lambda context: sights)


def damaged(rebox: Command) -> str:
    """A run that stopped before its reset, with one bit of its journal flipped."""
    rebox.place.set("gate-soaked", Verdict.UNKNOWN)
    rebox("run", rebox.inventory, "--yes")
    path = rebox.place.folder / "runs" / rebox.latest / JOURNAL_FILE
    content = path.read_bytes()
    assert b'"event":"acting","step":"swing"' in content
    path.write_bytes(content.replace(b'"event":"acting","step":"swing"', b'"event":"acting","step":"swinf"', 1))
    return rebox.latest


def test_every_command_says_what_is_known_what_is_not_and_what_to_do(rebox: Command) -> None:
    run = damaged(rebox)
    done = rebox.place.lines()
    for words in (["resume", run], ["back", run, "--yes"]):
        status, _, err = rebox(*words)
        assert status == 4
        assert "Records 1 to" in err
        assert "prepare, copy had ended" in err
        assert "What happened after that is not known" in err
        assert f"rebox recover {run}" in err
    assert rebox.place.lines() == done
    status, out, err = rebox("runs")
    assert status == 0
    assert f"{run} " in out
    assert "damaged" in out
    assert f"rebox recover {run}" in err
    told = json.loads(rebox("runs", "--json")[1])
    assert (told[0]["state"], told[0]["damage"]["error"]) == ("damaged", "damaged")
    status, out, err = rebox("report", run)
    assert status == 4
    assert "report.html" in out
    assert "not known" in err


def test_recovery_shows_what_was_found_and_changes_nothing_unconfirmed(rebox: Command) -> None:
    run = damaged(rebox)
    for words in ([], ["--confirm-run", "latest"]):
        status, out, err = rebox("recover", run, *words)
        assert status == 2
        assert "OLD-1 answers" in out
        assert "unknown: it does not answer" in out
        assert "swing" in out
        assert "counts as begun" in out
        assert f"--confirm-run {run}" in err
        assert rebox("resume", run)[0] == 4

    status, out, _ = rebox("recover", run, "--confirm-run", run)
    assert status == 0
    assert "journal.damaged-1.jsonl" in out
    assert f"rebox back {run}" in out
    status, out, _ = rebox("back", run, "--yes")
    assert "WENT-BACK" in out
    assert rebox.place.lines() == []


def test_where_the_reset_is_unknown_the_serial_number_is_typed_too_and_there_is_no_way_back(
    rebox: Command, wiring: Any
) -> None:
    run = damaged(rebox)
    wiring.has_begun = lambda context: Seen(Effect.UNKNOWN, "the old box is silent")
    status, out, err = rebox("recover", run, "--confirm-run", run)
    assert status == 2
    assert "reset may have begun: there is no way back any more" in out
    assert "--confirm-serial OLD-1" in err
    status, out, _ = rebox("recover", run, "--confirm-run", run, "--confirm-serial", "OLD-1", "--json")
    told = json.loads(out)
    assert (status, told["way_back"]) == (0, False)
    assert [step["stands"] for step in told["steps"]][2:] == ["counts as begun", "counts as begun"]
    assert rebox("back", run, "--yes")[0] == 3


def test_a_person_types_the_run(rebox: Command, wiring: Any) -> None:
    wiring.plan = REVERSIBLE
    run = damaged_reversible(rebox)
    status, said = typed(rebox, ["recover", run], run, question=b"(Enter: change")
    assert status == 0, said
    assert "The journal was written anew" in said


def damaged_reversible(rebox: Command) -> str:
    rebox("run", rebox.inventory, "--yes")
    path = rebox.place.folder / "runs" / rebox.latest / JOURNAL_FILE
    path.write_bytes(path.read_bytes()[:-1000])
    return rebox.latest


def test_a_changed_inventory_is_asked_about(rebox: Command) -> None:
    rebox.place.set("gate-soaked", Verdict.UNKNOWN)
    rebox("run", rebox.inventory, "--yes")
    folder = rebox.place.folder / "runs" / rebox.latest
    (folder / "inventory.toml").write_text("# the fake wiring wants no more, and this is meant\n")
    for words in (["resume", "latest"], ["back", "latest", "--yes"]):
        status, _, err = rebox(*words)
        assert status == 3
        assert "inventory.toml of the run changed" in err
        assert "sealed/" in err
    status, said = typed(rebox, ["back", "latest"], "n")
    assert status == 1
    assert "Is that change meant?" in said
    assert rebox("back", "latest", "--yes", "--changes-meant")[0] in (0, 4)
    assert rebox.place.lines() == []
