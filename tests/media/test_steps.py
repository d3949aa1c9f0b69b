"""The four steps by which data travels on a stick: nothing is taken that was not written by this run."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.step_context import context_of, world_of
from toolkit.appliances.courier import Side
from toolkit.media.steps import MoveStick, PlugStick, ReadStick, WriteStick
from toolkit.model.errors import InputError, RefusedError
from toolkit.model.execution import Progress, Result, StepContext
from toolkit.model.plan import Mode
from toolkit.model.verdict import Verdict


class Courier:
    """One stick in memory; `at` is where it is plugged in."""

    def __init__(self, at: Side | None = None) -> None:
        self.at = at
        self.files: dict[str, bytes] = {}
        self.brought: list[Side] = []
        self.released: list[Side] = []

    def seen(self, side: Side, *, opened: bool = False) -> Result | None:
        if self.at != side:
            return None
        more: Result = {"manifest_sha256": self._manifest if self.files else None} if opened else {}
        return {"where": f"the {side} port", "serial": "S-1", **more}

    def bring(self, side: Side) -> Result:
        self.brought.append(side)
        self.at = side
        return {"where": f"the {side} port", "serial": "S-1"}

    def release(self, side: Side) -> Result | None:
        self.released.append(side)
        return {"done": ["everything is on it"], "not_done": []} if self.at == side else None

    def write(self, side: Side, run_id: str, files: Mapping[str, Path], progress: Progress) -> Result:
        self._must_be_at(side)
        self.files = {name: path.read_bytes() for name, path in files.items()}
        return self._result()

    def read(self, side: Side, target: Path, progress: Progress) -> Result:
        self._must_be_at(side)
        for name, content in self.files.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(content)
        return self._result()

    def _must_be_at(self, side: Side) -> None:
        if self.at != side:
            raise RefusedError("the stick is not plugged in there")

    @property
    def _manifest(self) -> str:
        return hashlib.sha256(b"".join(self.files.values())).hexdigest()

    def _result(self) -> Result:
        files: Result = {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()}
        return {"manifest_sha256": self._manifest, "files": files, "size_bytes": 1}


def context(
    folder: Path, courier: Courier | None, results: Mapping[str, Result] | None = None, **parameters: JsonValue
) -> StepContext:
    return context_of(folder, world_of(folder, courier=courier), parameters=parameters, results=results)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "backup/settings").mkdir(parents=True)
    (tmp_path / "backup/settings/settings.age").write_bytes(b"sealed")
    (tmp_path / "backup/settings/.lock").write_bytes(b"")
    (tmp_path / "certificate.pem").write_bytes(b"encrypted key")
    (tmp_path / "journal.jsonl").write_bytes(b"not to be carried")
    return tmp_path


def test_what_is_encrypted_travels_and_nothing_else(run: Path) -> None:
    courier = Courier(at="old")
    writing = context(run, courier)
    result = WriteStick().act(writing)
    assert {*courier.files} == {"backup/settings/settings.age", "certificate.pem"}
    assert WriteStick().verify(writing, result).verdict is Verdict.PASSED
    (run / "certificate.pem").write_bytes(b"another one")
    assert WriteStick().verify(writing, result).verdict is Verdict.FAILED
    courier.at = None
    assert "not plugged in" in WriteStick().verify(writing, result).summary


def test_a_lab_moves_the_stick_and_a_person_is_waited_for(run: Path) -> None:
    courier = Courier()
    by_lab = context(run, courier, at="old")
    assert PlugStick().look(by_lab) is None
    assert PlugStick().act(by_lab)["serial"] == "S-1"
    assert courier.brought == ["old"]
    assert PlugStick().verify(by_lab, {}).verdict is Verdict.PASSED
    courier = Courier()
    by_hand = context(run, courier, at="old")
    object.__setattr__(by_hand, "step", by_hand.step.model_copy(update={"mode": Mode.OPERATOR}))
    PlugStick().act(by_hand)
    assert courier.brought == []
    assert PlugStick().look(by_hand) is None
    assert PlugStick().verify(by_hand, {}).verdict is Verdict.FAILED


def test_another_stick_with_the_same_name_is_not_taken_for_it(run: Path) -> None:
    courier = Courier(at="old")
    written = {"write-stick": WriteStick().act(context(run, courier))}
    moved = context(run, courier, written, at="new")
    assert MoveStick().look(moved) is None
    MoveStick().act(moved)
    assert (courier.released, courier.brought) == (["old"], ["new"])
    assert MoveStick().look(moved)
    assert MoveStick().verify(moved, {}).verdict is Verdict.PASSED
    courier.files["certificate.pem"] = b"somebody else's"
    assert MoveStick().look(moved) is None
    assert MoveStick().verify(moved, {}).verdict is Verdict.FAILED


def test_what_comes_off_the_stick_is_what_left_the_old_side(run: Path) -> None:
    courier = Courier(at="old")
    written = {"write-stick": WriteStick().act(context(run, courier))}
    courier.bring("new")
    reading = context(run, courier, written, to="carried")
    result = ReadStick().act(reading)
    assert ReadStick().verify(reading, result).verdict is Verdict.PASSED
    assert (run / "carried/backup/settings/settings.age").read_bytes() == b"sealed"
    (run / "carried/certificate.pem").write_bytes(b"altered")
    assert ReadStick().verify(reading, result).verdict is Verdict.FAILED


def test_a_step_takes_what_its_plan_says(run: Path) -> None:
    assert context(run, None).taken_from == run
    carried: Result = {"from": "carried"}
    assert context(run, None, None, **carried).taken_from == run / "carried"


def test_without_a_stick_in_the_inventory_the_next_move_is_told(run: Path) -> None:
    with pytest.raises(InputError, match="where the stick is"):
        WriteStick().act(context(run, None))
