"""A record that is not what was written is never believed: found, or a torn last line that is taken for begun."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.ledger import PLAN, REVERSIBLE, KillAt, Place, in_child
from toolkit.engine import RunState, build_report, list_runs
from toolkit.engine.believed import examine
from toolkit.engine.history import RunHistory, read_history, tell
from toolkit.engine.journal import HEAD_FILE, JOURNAL_FILE, PLAN_FILE, RUN_FILE
from toolkit.engine.states import RunEvent
from toolkit.evidence.chain import read_chain
from toolkit.evidence.head import new_head, read_head
from toolkit.evidence.log import examine_evidence
from toolkit.model.errors import DamagedRecordError, RefusedError, UnknownStateError
from toolkit.model.verdict import Verdict

INVENTORY = {"inventory.toml": b"# what the run is resumed from\n"}


@dataclass(frozen=True)
class Sample:
    """A run that was killed, its folder, and what its journal says."""

    folder: Path
    history: RunHistory


def killed_run(folder: Path, point: str) -> Sample:
    place = Place(folder)
    run_id = place.engine().start(PLAN, attachments=INVENTORY)
    kill = KillAt(folder / "kills.txt", only=point)
    assert in_child(lambda: place.engine(checkpoint=kill).run(run_id)) == -9
    directory = place.engine().directory(run_id)
    return Sample(directory, read_history(directory))


@pytest.fixture(scope="module", params=["prepare:journaled", "swing:acting", "swing:recorded", "reset:acted"])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return killed_run(tmp_path_factory.mktemp("sample"), str(request.param))


def told(history: RunHistory) -> dict[str, object]:
    steps = {name: (step.begun, step.ended, step.undone, step.result) for name, step in history.steps.items()}
    return {"state": history.state, "steps": steps, "record": history.record, "plan": history.plan}


def never_wrong(sample: Sample, folder: Path) -> None:
    """The state is refused, what it was, or what it was with one more step that counts as begun.

    A last record of which the head does not speak yet may be missing: its write had not returned, nothing followed it.
    """
    [summary] = [each for each in list_runs(folder.parent) if each.run_id == folder.name]
    if summary.state is RunState.DAMAGED:
        with pytest.raises(DamagedRecordError) as damaged:
            read_history(folder)
        assert f"rebox recover {folder.name}" in damaged.value.next_move
        return
    now = read_history(folder)
    run = examine(folder)
    if not run.torn_bytes:
        whole = examine(sample.folder)
        not_returned = tell(whole.record, whole.plan, whole.records[:-1])
        not_returned.state = sample.history.state
        heads_word = read_head(folder / HEAD_FILE)
        assert heads_word is not None
        dropped = len(run.records) == heads_word.number == len(whole.records) - 1
        assert told(now) == told(not_returned if dropped else sample.history)
        return
    assert len(run.records) >= len(examine(sample.folder).records) - 1
    lost = {name for name, step in sample.history.steps.items() if step.begun and not now.steps[name].begun}
    assert not lost, "what had begun is never taken for untouched"


def copy(sample: Sample, base: Path) -> Path:
    return Path(shutil.copytree(sample.folder, base / sample.folder.name))


def step_head_back(folder: Path) -> None:
    """As a kill between the journal's write and the head's leaves it."""
    links = read_chain((folder / JOURNAL_FILE).read_bytes()).links
    (folder / HEAD_FILE).write_bytes(new_head(links[-2]))


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_no_single_bit_makes_a_wrong_state(
    sample: Sample, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = copy(sample, tmp_path_factory.mktemp("flip"))
    if data.draw(st.booleans()):
        step_head_back(folder)
    files = [JOURNAL_FILE, JOURNAL_FILE, JOURNAL_FILE, HEAD_FILE, RUN_FILE, PLAN_FILE]
    path = folder / data.draw(st.sampled_from(files))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    if path.name in (RUN_FILE, PLAN_FILE):
        with pytest.raises(DamagedRecordError):
            read_history(folder)
    never_wrong(sample, folder)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_no_missing_doubled_or_swapped_record_and_no_cut_makes_a_wrong_state(
    sample: Sample, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = copy(sample, tmp_path_factory.mktemp("lines"))
    behind = data.draw(st.booleans())
    if behind:
        step_head_back(folder)
    path = folder / JOURNAL_FILE
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    do: dict[str, Callable[[], bytes]] = {
        "missing": lambda: b"".join(lines[:at] + lines[at + 1 :]),
        "doubled": lambda: b"".join([*lines[: at + 1], *lines[at:]]),
        "swapped": lambda: b"".join([*lines[:at], *reversed(lines[at : at + 2]), *lines[at + 2 :]]),
        "cut": lambda: content[: data.draw(st.integers(0, len(content)))],
    }
    path.write_bytes(do[data.draw(st.sampled_from(sorted(do)))]())
    never_wrong(sample, folder)
    if not behind and not path.read_bytes().startswith(content):
        with pytest.raises(DamagedRecordError):
            read_history(folder)


def damage(place: Place, point: str, how: str) -> str:
    run_id = killed_run(place.folder, point).folder.name
    path = place.engine().directory(run_id) / JOURNAL_FILE
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if b'"event":"acting","step":"swing"' in line)
    if how == "gone":
        path.unlink()
        return run_id
    path.write_bytes(
        {
            "one bit": b"".join([*lines[:at], lines[at].replace(b'"swing"', b'"swinf"'), *lines[at + 1 :]]),
            "line missing": b"".join(lines[:at] + lines[at + 1 :]),
            "empty": b"",
            "half": content[: len(content) // 2],
            "cut at a line's end": b"".join(lines[:at]),
        }[how]
    )
    return run_id


@pytest.mark.parametrize("how", ["one bit", "line missing", "empty", "half", "cut at a line's end", "gone"])
def test_with_a_damaged_journal_nothing_goes_on_and_everything_else_does(place: Place, how: str) -> None:
    run_id = damage(place, "swing:recorded", how)
    engine = place.engine()
    before = place.lines()
    for command in (engine.run, engine.resume, engine.back):
        with pytest.raises(DamagedRecordError) as refusal:
            command(run_id)
        assert refusal.value.exit_status == 4
        assert f"rebox recover {run_id}" in refusal.value.next_move
        assert "not known" in refusal.value.why
        if how in ("one bit", "line missing", "cut at a line's end"):
            assert "prepare, copy had ended" in refusal.value.why
    assert place.lines() == before

    with pytest.raises(UnknownStateError, match=f"rebox recover {run_id}"):
        engine.start(REVERSIBLE)  # its boxes stay its own
    other = engine.start(PLAN.model_copy(update={"boxes": {"old": "OLD-3", "new": "NEW-4"}}))
    assert {run.run_id: run.state for run in engine.runs()} == {run_id: RunState.DAMAGED, other: RunState.PLANNED}

    report = build_report(engine.directory(run_id))
    assert report.verdict is Verdict.UNKNOWN
    assert not report.way_back.available_now
    assert f"rebox recover {run_id}" in report.notes[0]


@pytest.mark.parametrize("name", [RUN_FILE, PLAN_FILE, HEAD_FILE])
def test_a_run_that_has_lost_a_file_is_listed_and_stops_every_command(place: Place, name: str) -> None:
    run_id = place.engine().start(PLAN)
    (place.engine().directory(run_id) / name).unlink()
    engine = place.engine()
    assert [(run.run_id, run.state) for run in engine.runs()] == [(run_id, RunState.DAMAGED)]
    for command in (engine.run, engine.resume, engine.back):
        with pytest.raises(DamagedRecordError, match="missing"):
            command(run_id)
    assert place.lines() == []


def torn(place: Place, run_id: str, text: bytes = b'{"number":99,"ti') -> None:
    with (place.engine().directory(run_id) / JOURNAL_FILE).open("ab") as file:
        file.write(text)


@pytest.mark.parametrize(
    ("point", "begun"),
    [
        ("prepare:journaled", ["prepare"]),
        ("copy:acting", ["prepare", "copy"]),
        ("prepare:recorded", ["prepare", "copy"]),  # prepare had ended: it was the next step's
    ],
)
def test_a_torn_last_line_counts_as_its_step_having_begun(place: Place, point: str, begun: list[str]) -> None:
    run_id = killed_run(place.folder, point).folder.name
    torn(place, run_id)
    engine = place.engine()
    assert engine.back_estimate(run_id).steps == tuple(reversed(begun))
    outcome = engine.back(run_id)
    assert outcome.state is RunState.WENT_BACK
    undone = [entry.step for entry in examine(outcome.run_directory).records if entry.event == "undone"]
    assert undone == [*reversed(begun)]


@pytest.mark.parametrize("point", ["reset:journaled", "swing:recorded"])
def test_a_torn_line_that_may_be_of_the_irreversible_step_closes_the_way_back(place: Place, point: str) -> None:
    run_id = killed_run(place.folder, point).folder.name
    torn(place, run_id, b"{\0\0\n")
    engine = place.engine()
    assert not engine.back_estimate(run_id).available_now
    for _ in range(2):  # it stays so, once it stands in the journal
        with pytest.raises(RefusedError, match="irreversible step reset has begun"):
            engine.back(run_id)
    assert engine.resume(run_id).state is RunState.PASSED


def test_a_torn_line_after_the_run_had_stopped_is_of_no_step(place: Place) -> None:
    engine = place.engine()
    place.set("gate-soaked", Verdict.UNKNOWN)
    run_id = engine.run(engine.start(PLAN)).run_id
    torn(place, run_id)
    assert engine.back_estimate(run_id).steps == ("swing", "copy", "prepare")
    assert engine.back(run_id).state is RunState.WENT_BACK


def test_a_kill_between_journal_and_head_is_no_damage(place: Place) -> None:
    run_id = killed_run(place.folder, "swing:acting").folder.name
    step_head_back(place.engine().directory(run_id))
    assert place.engine().resume(run_id).state is RunState.PASSED
    assert place.lines() == ["prepare", "copy", "swing", "reset"]


def test_a_changed_attachment_is_asked_about_and_then_is_as_it_was_meant(place: Place) -> None:
    run_id = killed_run(place.folder, "swing:acting").folder.name
    engine = place.engine()
    (engine.directory(run_id) / "inventory.toml").write_bytes(b"# mended\n")
    for command in (engine.resume, engine.back):
        with pytest.raises(RefusedError, match=r"inventory\.toml of the run changed .* add --changes-meant"):
            command(run_id)
    place.set("gate-soaked", Verdict.UNKNOWN)
    assert engine.resume(run_id, changes_meant=True).state is RunState.BLOCKED
    assert engine.back(run_id).state is RunState.WENT_BACK  # what was meant once is not asked about again


def as_an_older_toolkit_left_it(folder: Path) -> None:
    """The first format: no chain, no head, no first record, and a database beside it."""
    records = examine(folder).records[1:]
    lines = [
        entry.model_copy(update={"number": number}).model_dump_json(exclude_defaults=True)
        for number, entry in enumerate(records, 1)
    ]
    (folder / JOURNAL_FILE).write_text("".join(f"{line}\n" for line in lines))
    (folder / HEAD_FILE).unlink()
    (folder / "engine.sqlite").write_bytes(b"a database")
    record = json.loads((folder / RUN_FILE).read_text())
    (folder / RUN_FILE).write_text(json.dumps({**record, "format": 1}))


def test_a_run_of_an_older_toolkit_is_told_and_goes_on_only_with_that_one_or_after_recovery(place: Place) -> None:
    run_id = killed_run(place.folder, "swing:recorded").folder.name
    engine = place.engine()
    as_an_older_toolkit_left_it(engine.directory(run_id))
    [summary] = engine.runs()
    assert (summary.state, summary.step) == (RunState.INTERRUPTED, "swing")
    assert [step.verdict for step in build_report(engine.directory(run_id)).steps][:3] == [Verdict.PASSED] * 3
    for command in (engine.run, engine.resume, engine.back):
        with pytest.raises(RefusedError, match=f"older toolkit.*rebox recover {run_id}"):
            command(run_id)
    with pytest.raises(RefusedError, match="belongs to an unfinished run"):
        engine.start(REVERSIBLE)

    path = engine.directory(run_id) / JOURNAL_FILE
    path.write_bytes(path.read_bytes().replace(b'"step":"copy"', b'"step":"copx"', 1))
    assert engine.runs()[0].state is RunState.DAMAGED


def test_damaged_evidence_does_not_stop_the_way_back_and_is_said(place: Place) -> None:
    run_id = killed_run(place.folder, "swing:recorded").folder.name
    engine = place.engine()
    path = engine.directory(run_id) / "evidence.jsonl"
    path.write_bytes(path.read_bytes().replace(b"the ledger was read", b"the ledger was seen", 1))
    outcome = engine.back(run_id)
    assert outcome.state is RunState.WENT_BACK
    assert "evidence.damaged-1.jsonl" in examine_evidence(outcome.run_directory).damage
    assert [event for event in place.events if type(event).__name__ == "RecordDamaged"]


def test_every_record_says_its_number_and_the_first_one_seals_the_files(place: Place) -> None:
    run_id = killed_run(place.folder, "swing:recorded").folder.name
    records = examine(place.engine().directory(run_id)).records
    assert [entry.number for entry in records] == [*range(1, len(records) + 1)]
    files = records[0].data["files"]
    assert isinstance(files, dict)
    assert sorted(files) == ["inventory.toml", "plan.json", "run.json"]
    assert records[1].event is RunEvent.RUN
