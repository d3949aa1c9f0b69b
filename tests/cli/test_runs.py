"""The run commands as people and programs use them, on a small world of files in place of the wiring."""

import io
import json
import os
import pty
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.engine.ledger import PLAN, REVERSIBLE, Ledger, Place, Write, step
from toolkit.cli.main import main
from toolkit.cli.output import out
from toolkit.cli.plan_view import show_plan
from toolkit.cli.run_display import RunDisplay
from toolkit.engine import Engine, OperatorAsked, RunStarted, StepEnded, StepProgress, StepStarted
from toolkit.model.errors import InputError
from toolkit.model.execution import Result, StepContext
from toolkit.model.plan import GateReference, Plan
from toolkit.model.verdict import Verdict


@dataclass(frozen=True)
class Origin:
    """Where the fake's runs come from."""

    text: str

    @classmethod
    def of_file(cls, file: Path) -> "Origin":
        return cls(file.read_text())

    @classmethod
    def of_run(cls, run_directory: Path) -> "Origin":
        return cls((run_directory / "inventory.toml").read_text())

    def inventory(self) -> Any:
        return types.SimpleNamespace(reset=types.SimpleNamespace(confirm_serial_number="OLD-1"))

    def attachments(self) -> dict[str, bytes]:
        return {"inventory.toml": self.text.encode()}


@dataclass
class Command:
    """`rebox`, with its answer taken apart."""

    place: Place
    capture: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self.capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*words, "--runs", str(self.place.folder / "runs")])
        out, err = self.capture.readouterr()
        return int(ended.value.code or 0), " ".join(out.split()), " ".join(err.split())

    @property
    def inventory(self) -> str:
        path = self.place.folder / "inventory.toml"
        path.write_text("# the fake wiring wants no more\n")
        return str(path)

    @property
    def latest(self) -> str:
        return (self.place.folder / "runs" / "latest").resolve().name


@pytest.fixture
def wiring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    place = Place(tmp_path)
    fake = types.ModuleType("toolkit.wiring")
    monkeypatch.setitem(sys.modules, "toolkit.wiring", fake)

    def build_engine(
        origin: Origin,
        runs_directory: Path,
        *,
        confirmed_serial_number: str | None = None,
        read_only: bool = False,
        fetch_secrets: bool = False,
        only_old: bool = False,
        new_is_off: str | None = None,
        **fields: object,
    ) -> Engine:
        assert origin.text.startswith("# the fake")
        return place.engine(runs_directory=runs_directory, **fields, **vars(fake).get("fields", {}))

    vars(fake).update(
        place=place,
        plan=PLAN,
        Origin=Origin,
        build_engine=build_engine,
        make_plan=lambda file: vars(fake)["plan"],
        write_run_report=lambda folder: (folder / "report.json").write_text('{"verdict": "passed"}\n'),
    )
    return fake


@pytest.fixture
def rebox(wiring: Any, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(wiring.place, capsys)


def test_a_run_prints_its_steps_and_its_end(rebox: Command) -> None:
    status, out, err = rebox("run", rebox.inventory, "--yes")
    assert status == 0
    for name in ("prepare", "copy", "swing", "reset"):
        assert f"{name}: Write {name}" in err
        assert f"{name}: passed" in err
    assert f"PASSED run {rebox.latest}" in out


def test_with_json_stdout_is_one_document_and_stderr_is_silent(rebox: Command) -> None:
    status, out, err = rebox("run", rebox.inventory, "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["state"] == "passed"
    status, out, _ = rebox("runs", "--json")
    assert status == 0
    assert [run["run_id"] for run in json.loads(out)] == [rebox.latest]


def test_a_dry_run_shows_the_gates_and_leaves_nothing(rebox: Command) -> None:
    rebox.place.set("gate-proven", Verdict.FAILED)
    status, out, err = rebox("run", rebox.inventory, "--dry-run")
    assert (status, err) == (0, "")
    assert "gate proven does not hold: the gate says failed" in out
    assert "Nothing was changed" in out
    assert not (rebox.place.folder / "runs").exists()
    status, out, _ = rebox("run", rebox.inventory, "--dry-run", "--json")
    assert [step["name"] for step in json.loads(out)["steps"]] == ["prepare", "copy", "swing", "reset"]


def test_a_dry_run_says_in_words_what_cannot_be_seen_yet(rebox: Command, wiring: Any) -> None:
    class NeedsPrepared(Write):
        """Cannot look before the first step has left something to look at."""

        def look(self, context: StepContext) -> Result | None:
            if not context.results:
                raise InputError("the file cannot be read", where=str(context.run_directory), next_move="Check it.")
            return super().look(context)

    comes_later = GateReference(code="proven", why="the new one must work", after="copy")
    steps = (PLAN.steps[0], PLAN.steps[1].model_copy(update={"kind": "needs"}), step("swing", gates=(comes_later,)))
    wiring.plan = PLAN.model_copy(update={"steps": steps})
    wiring.fields = {"implementations": {"write": Write(), "needs": NeedsPrepared()}}
    rebox.place.set("gate-proven", Verdict.FAILED)

    _, out, _ = rebox("run", rebox.inventory, "--dry-run")
    assert "copy not yet: comes after prepare" in out
    assert "gate proven not yet: comes after copy" in out
    assert "failed" not in out
    assert "/rebox-dry-run-" not in out

    Ledger(rebox.place.world).add("prepare")
    Ledger(rebox.place.world).add("copy")
    _, out, _ = rebox("run", rebox.inventory, "--dry-run")
    assert "copy is there already" in out
    assert "gate proven does not hold" in out


def test_where_nobody_can_be_asked_nothing_begins_without_yes(rebox: Command) -> None:
    status, out, err = rebox("run", rebox.inventory)
    assert (status, out) == (2, "")
    assert "give --yes" in err
    assert not (rebox.place.folder / "runs").exists()
    assert rebox.place.lines() == []

    rebox("run", rebox.inventory, "--yes")
    done = rebox.place.lines()
    status, out, err = rebox("back", "latest")
    assert (status, out) == (2, "")
    assert "give --yes" in err
    assert rebox.place.lines() == done


def typed(rebox: Command, words: list[str], answer: str, question: bytes = b"[y/N]") -> tuple[int, str]:
    """The command on a terminal of its own, and a person who types the answer when there is a question."""
    child, terminal = pty.fork()
    if child == 0:
        try:
            sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
            main([*words, "--runs", str(rebox.place.folder / "runs")])
        except SystemExit as ended:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(int(ended.code or 0))
        finally:
            os._exit(99)
    said = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other end has been closed
            break
        said += piece
        if question in piece:
            os.write(terminal, f"{answer}\n".encode())
        if b"(Enter: stop" in piece:
            os.write(terminal, b"\n")
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), " ".join(said.decode().split())


def test_a_person_sees_the_plan_is_asked_and_may_say_no(rebox: Command, wiring: Any) -> None:
    wiring.plan = REVERSIBLE
    status, said = typed(rebox, ["run", rebox.inventory], "n")
    assert status == 1
    assert said.index("take prepare out") < said.index("Run these 3 steps")
    assert said.endswith("Nothing was changed.")
    assert not (rebox.place.folder / "runs").exists()

    status, said = typed(rebox, ["run", rebox.inventory], "y")
    assert status == 0, said
    assert "PASSED" in said
    done = rebox.place.lines()

    status, said = typed(rebox, ["back", "latest"], "n")
    assert status == 1
    assert "about 6 s: swing, copy, prepare" in said
    assert said.endswith("Nothing was changed.")
    assert rebox.place.lines() == done


def test_blocked_acknowledged_resumed_and_taken_back(rebox: Command, wiring: Any) -> None:
    wiring.plan = REVERSIBLE
    rebox.place.set("gate-room", Verdict.FAILED)
    status, out, _ = rebox("run", rebox.inventory, "--yes")
    assert status == 3
    assert "BLOCKED" in out
    assert "--acknowledge room" in out

    status, _, err = rebox("run", rebox.inventory, "--yes")
    assert status == 3
    assert f"rebox resume {rebox.latest}" in err
    assert rebox("resume", "latest", "--acknowledge", "room")[0] == 0
    _, listed, _ = rebox("runs")
    assert "passed" in listed
    assert "6 s" in listed

    status, out, err = rebox("back", rebox.latest, "--yes")
    assert status == 0
    assert "about 6 s: swing, copy, prepare" in err
    assert "WENT-BACK" in out
    assert rebox.place.lines() == []
    status, _, err = rebox("back", rebox.latest, "--yes")
    assert status == 3
    assert "it is went-back" in err


def test_there_is_no_way_back_after_the_reset(rebox: Command) -> None:
    rebox("run", rebox.inventory, "--yes")
    status, _, err = rebox("back", "latest", "--yes")
    assert status == 3
    assert "no way back any more" in err


def test_the_report_is_written_again_on_demand(rebox: Command) -> None:
    rebox("run", rebox.inventory, "--yes")
    report = rebox.place.folder / "runs" / rebox.latest / "report.json"
    report.unlink()
    status, out, _ = rebox("report", "latest", "--json")
    assert (status, json.loads(out)) == (0, {"verdict": "passed"})
    assert report.is_file()


def test_a_run_that_is_not_there_is_wrong_use(rebox: Command) -> None:
    for command in ("resume", "back", "report"):
        status, out, err = rebox(command, "nonsense", *(["--yes"] if command == "back" else []))
        assert (status, out) == (2, "")
        assert "there is no run" in err
    assert "There are no runs" in rebox("runs")[1]


class Standing(Write):
    """Stands still in the middle of a step until a signal comes."""

    def act(self, context: StepContext) -> Result:
        if context.step.name == "prepare" and not context.begun:
            (context.world.folder / "standing").touch()
            signal.pause()
        return super().act(context)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_says_how_to_go_on(rebox: Command, wiring: Any, number: signal.Signals) -> None:
    wiring.fields = {"implementations": {"write": Standing()}}
    inventory, said = rebox.inventory, rebox.place.folder / "said"
    child = os.fork()
    if child == 0:
        with said.open("w") as file:
            sys.stdout = sys.stderr = file
            try:
                main(["run", inventory, "--yes", "--runs", str(rebox.place.folder / "runs")])
            except SystemExit as ended:
                file.flush()
                os._exit(int(ended.code or 0))
            finally:
                os._exit(99)
    until((rebox.place.world / "standing").exists)
    # a run at work shows its way back as it will be once it is stopped
    assert "at step prepare way back 2 s" in rebox("runs")[1]
    os.kill(child, number)
    _, status = os.waitpid(child, 0)
    words = " ".join(said.read_text().split())
    assert os.waitstatus_to_exitcode(status) == 130, words
    assert "INTERRUPTED" in words
    assert f"rebox resume {rebox.latest}, or back with: rebox back {rebox.latest}" in words
    assert "Traceback" not in words
    assert rebox("resume", "latest")[0] == 0


def test_the_live_list_shows_steps_progress_time_left_and_the_operators_part() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, height=30)
    first, second = REVERSIBLE.steps[:2]
    with RunDisplay(console) as display:
        display(RunStarted("r-1", REVERSIBLE, resumed=True, going_back=False, steps=("prepare", "copy", "swing")))
        display(StepStarted(first, 0, done_before=True))
        display(StepStarted(second, 1))
        display(StepProgress(second, 0.5, "[half] way"))
        display(OperatorAsked(second, "Plug it in.", undoing=False))
        shown = console_text(display)
        display(StepEnded(second, Verdict.PASSED, "seen", 12.3))
        later = console_text(display)
    assert "Run r-1 goes on." in screen.getvalue()
    assert "✓ prepare" in shown
    assert "[half] way" in shown
    assert "For you: Plug it in." in shown
    assert "12 s" in later
    assert "left" in later


@pytest.mark.parametrize("width", [50, 80, 120])
def test_on_any_terminal_names_are_whole_and_what_is_being_done_can_be_read(width: int) -> None:
    plan = Plan.model_validate_json(Path("fixtures/plans/shared-ip.plan.json").read_text(encoding="utf-8"))
    names = tuple(step.name for step in plan.steps)
    with RunDisplay(Console(file=io.StringIO(), force_terminal=True, width=width, height=60)) as display:
        display(RunStarted("r-1", plan, resumed=False, going_back=False, steps=names))
        display(StepStarted(plan.step("extract-records"), 1))
        display(StepProgress(plan.step("extract-records"), 0.5, "recording 6 of 12"))
        shown = console_text(display, width)
    for name in names:
        assert f" {name} " in shown
    assert "recording 6 of 12" in shown
    assert max(len(line) for line in shown.splitlines()) <= width


def test_the_runs_are_a_table_where_there_is_room_and_lines_elsewhere(
    rebox: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebox("run", rebox.inventory, "--yes")
    for width in (50, 80, 120):
        monkeypatch.setattr(out, "width", width)
        said = rebox("runs")[1]
        for word in (rebox.latest, "support.example.net", "passed", "closed"):
            assert word in said
        assert ("│" in said) == (width == 120)


@pytest.mark.parametrize("width", [50, 80, 120])
def test_a_plan_breaks_no_name_on_any_terminal(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(out, "width", width)
    plan = Plan.model_validate_json(Path("fixtures/plans/shared-ip.plan.json").read_text(encoding="utf-8"))
    show_plan(plan)
    shown = capsys.readouterr().out
    for each in plan.steps:
        assert f" {each.name} " in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= width


def console_text(display: RunDisplay, width: int = 100) -> str:
    """What the live list looks like at this moment."""
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as captured:
        console.print(display.rendered())
    return captured.get()
