"""`rebox recover`: from the world to a journal that can be gone on with, and gone back by."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.ledger import PLAN, Ledger, Place
from tests.engine.test_damage import Sample, as_an_older_toolkit_left_it, damage, killed_run
from toolkit.engine import RunState
from toolkit.engine.believed import examine, read_journal
from toolkit.engine.journal import COPIES_FOLDER, HEAD_FILE, JOURNAL_FILE, PLAN_FILE, RUN_FILE
from toolkit.engine.locks import Claim
from toolkit.engine.recovering import Recovery
from toolkit.engine.recovery import Effect, Seen, Stands
from toolkit.model.errors import DamagedRecordError, RefusedError
from toolkit.model.execution import StepContext
from toolkit.model.verdict import Verdict


def by_the_ledger(context: StepContext) -> Seen:
    there = context.step.name in context.world.lines()
    return Seen(Effect.THERE if there else Effect.MISSING, "the ledger says so")


def nobody_knows(context: StepContext) -> Seen:
    return Seen(Effect.UNKNOWN, "the box is silent")


def recover(place: Place, run_id: str, has_begun: object = by_the_ledger) -> Recovery:
    with place.engine().recovering(run_id, has_begun) as recovery:  # type: ignore[arg-type]  # a test's own
        recovery.write("somebody")
    return recovery


@pytest.mark.parametrize("how", ["one bit", "line missing", "empty", "half", "cut at a line's end", "gone"])
@pytest.mark.parametrize("way", ["resume", "back"])
def test_after_recovery_the_run_goes_on_or_back_and_nothing_is_doubled(place: Place, how: str, way: str) -> None:
    run_id = damage(place, "swing:recorded", how)
    folder = place.engine().directory(run_id)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.name in (JOURNAL_FILE, HEAD_FILE)}
    recovery = recover(place, run_id)
    assert recovery.findings.steps[2].stands is Stands.BEGUN
    assert recovery.findings.irreversible_begun == ()
    for name, content in before.items():
        stem, _, suffix = name.rpartition(".")
        assert (folder / f"{stem}.damaged-1.{suffix}").read_bytes() == content
    made = read_journal(folder)[0].data["recovered"]
    assert isinstance(made, dict)
    assert made["by"] == "somebody"

    engine = place.engine()
    assert engine.runs()[0].state in (RunState.INTERRUPTED, RunState.GOING_BACK)
    with pytest.raises(RefusedError, match="belongs to an unfinished run"):
        engine.start(PLAN)
    if way == "back":
        assert engine.back(run_id).state is RunState.WENT_BACK
        assert place.lines() == []
    else:
        assert engine.resume(run_id).state is RunState.PASSED
        assert place.lines() == ["prepare", "copy", "swing", "reset"]


@pytest.mark.parametrize(("point", "has_begun"), [("swing:recorded", nobody_knows), ("reset:acted", by_the_ledger)])
def test_where_the_old_box_was_or_may_have_been_reset_there_is_no_way_back(
    place: Place, point: str, has_begun: object
) -> None:
    run_id = damage(place, point, "half")
    recovery = recover(place, run_id, has_begun)
    assert [one.step.name for one in recovery.findings.irreversible_begun] == ["reset"]
    engine = place.engine()
    assert not engine.back_estimate(run_id).available_now
    with pytest.raises(RefusedError, match="irreversible step reset has begun"):
        engine.back(run_id)
    assert engine.resume(run_id).state is RunState.PASSED
    assert place.lines() == ["prepare", "copy", "swing", "reset"]


def test_what_had_ended_and_is_gone_is_done_again(place: Place) -> None:
    run_id = damage(place, "swing:recorded", "one bit")
    Ledger(place.world).remove("copy")
    assert recover(place, run_id).findings.steps[1].stands is Stands.BEGUN
    assert place.engine().resume(run_id).state is RunState.PASSED
    assert sorted(place.lines()) == ["copy", "prepare", "reset", "swing"]


def test_without_a_confirmation_nothing_is_written(place: Place) -> None:
    run_id = damage(place, "swing:recorded", "half")
    folder = place.engine().directory(run_id)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with place.engine().recovering(run_id, by_the_ledger):
        pass
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert place.engine().runs()[0].state is RunState.DAMAGED


@pytest.mark.parametrize("name", [RUN_FILE, PLAN_FILE])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_damaged_file_is_put_back_from_its_copy_and_then_nothing_is_unknown(
    place: Place, name: str, how: str
) -> None:
    run_id = killed_run(place.folder, "swing:recorded").folder.name
    path = place.engine().directory(run_id) / name
    good = path.read_bytes()
    path.unlink()
    if how == "changed":
        path.write_bytes(good.replace(b"e", b"d", 1))
    with pytest.raises(RefusedError, match="nothing to recover"):
        recover(place, run_id)
    assert path.read_bytes() == good
    assert place.engine().back(run_id).state is RunState.WENT_BACK


def test_a_plan_of_which_no_copy_is_whole_is_not_guessed(place: Place) -> None:
    run_id = killed_run(place.folder, "swing:recorded").folder.name
    folder = place.engine().directory(run_id)
    for path in (folder / PLAN_FILE, folder / COPIES_FOLDER / PLAN_FILE):
        path.write_bytes(path.read_bytes().replace(b"e", b"d", 1))
    with pytest.raises(DamagedRecordError, match=r"plan\.json of the run is damaged, and so is its copy.*SHA-256 was"):
        recover(place, run_id)


def test_a_whole_run_is_not_recovered(place: Place) -> None:
    run_id = killed_run(place.folder, "swing:recorded").folder.name
    with pytest.raises(RefusedError, match="nothing to recover"):
        recover(place, run_id)


def test_a_run_of_an_older_toolkit_goes_on_after_it(place: Place) -> None:
    run_id = killed_run(place.folder, "swing:recorded").folder.name
    folder = place.engine().directory(run_id)
    as_an_older_toolkit_left_it(folder)
    shutil.rmtree(folder / COPIES_FOLDER)
    recover(place, run_id)
    assert json.loads((folder / RUN_FILE).read_text())["format"] == 2
    assert (folder / "run.damaged-1.json").exists()
    assert place.engine().back(run_id).state is RunState.WENT_BACK
    assert place.lines() == []


@pytest.fixture(scope="module", params=["prepare:acted", "copy:looked", "swing:recorded", "reset:acted"])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Sample]:
    folder = tmp_path_factory.mktemp("sample")
    return folder, killed_run(folder, str(request.param))


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_whatever_is_damaged_recovery_never_offers_a_way_back_past_the_reset_and_goes_all_the_way_before_it(
    sample: tuple[Path, Sample], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("recover") / "place"
    shutil.copytree(sample[0], folder, symlinks=True)
    place = Place(folder)
    for path in (folder / "state" / "claims").iterdir():
        claim = Claim.read_sealed(path.read_bytes())
        moved = folder / claim.run_directory.relative_to(sample[0])
        path.write_bytes(claim.model_copy(update={"run_directory": moved}).sealed_json())
    run_id = sample[1].folder.name
    path = place.engine().directory(run_id) / JOURNAL_FILE
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    if examine(path.parent).damage is None:
        return
    was_reset = "reset" in place.lines()
    recover(place, run_id)
    engine = place.engine()
    assert engine.back_estimate(run_id).available_now is not was_reset
    if was_reset:
        assert engine.resume(run_id).verdict is Verdict.PASSED
    else:
        assert engine.back(run_id).state is RunState.WENT_BACK
        assert place.lines() == []
