"""The way back from every step, with either box off, with either cable out, and with both well; then again, all mended.

One lab for all of it: a run is killed in a step, what is on the boxes' disks and in the run's folder is kept, and each
way of cutting off starts from there.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.migration.rehearsal import Rehearsal
from toolkit.engine.states import RunState

pytestmark = [pytest.mark.endurance, pytest.mark.timeout(1800)]

_PLAN = Path(__file__).parents[2] / "fixtures" / "plans" / "shared-ip.plan.json"
_STEPS = [step for step in json.loads(_PLAN.read_text(encoding="utf-8"))["steps"] if not step["irreversible"]]
STEPS = [step["name"] for step in _STEPS if step["name"] != "end-watch"]
_NEED_NEW = [step["name"] for step in _STEPS if "new" in step["back_needs"]]

Cut = Callable[[Rehearsal], None]
CUTS: dict[str, tuple[Cut, Cut]] = {
    "both well": (lambda _: None, lambda _: None),
    "new off": (lambda lab: lab.lab.kill("new"), lambda lab: lab.switch_on_new()),
    "new's cable out": (lambda lab: lab.lab.link("new", up=False), lambda lab: lab.lab.link("new", up=True)),
    "old off": (lambda lab: lab.lab.kill("old"), lambda lab: lab.switch_on("old")),
    "old's cable out": (lambda lab: lab.lab.link("old", up=False), lambda lab: lab.lab.link("old", up=True)),
}


@contextmanager
def kept(rehearsal: Rehearsal, run: str, folder: Path) -> Iterator[Callable[[], None]]:
    """What the boxes and the run hold now; called, it gives back all of it. Both boxes lose their power for that."""
    places = {
        "old": rehearsal.lab.folder.disk("old"),
        "new": rehearsal.lab.folder.disk("new"),
        "run": rehearsal.runs / run,
        "claims": rehearsal.lab.folder.operator / "state" / "claims",
    }

    def copied(*, back: bool) -> None:
        for box in ("old", "new"):
            rehearsal.lab.kill(box)
        for name, place in places.items():
            source, target = (folder / name, place) if back else (place, folder / name)
            shutil.rmtree(target, ignore_errors=True)
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True)
        rehearsal.switch_on("old")
        rehearsal.switch_on_new()

    copied(back=False)
    yield lambda: copied(back=True)


@pytest.mark.parametrize("step", STEPS)
def test_back_from_there_with_either_box_cut_off_in_either_way(rehearsal: Rehearsal, folder: Path, step: str) -> None:
    rehearsal.switch_on("old")
    rehearsal.switch_on_new()
    run = rehearsal.start(rehearsal.variant("existing", {"provision": {"driver": "existing"}}))
    assert rehearsal.carry("run", run, kill_at=f"{step}:(acted|recorded)").killed_at
    went_through = STEPS[: STEPS.index(step) + 1]
    swung, on_new = "swing-traffic" in went_through, [name for name in _NEED_NEW if name in went_through]

    with kept(rehearsal, run, folder) as give_back:
        for number, (words, (cut, mend)) in enumerate(CUTS.items()):
            if number:
                give_back()
            cut(rehearsal)
            try:
                went = rehearsal.carry("back", run)
                told = (words, went.told)
                if words.startswith("old"):
                    assert went.told["state"] == RunState.BACK_FAILED, told
                    assert went.told["exit_status"] in (1, 4), told
                    who = rehearsal.site_as_users_see_it()
                    assert who == rehearsal.serving("new") if swung else all(not one["macs"] for one in who.values()), (
                        told
                    )
                else:
                    left = words.startswith("new") and (swung or on_new)
                    assert went.told["state"] == (RunState.BACK_TO_DO if left else RunState.WENT_BACK), told
                    assert went.told["exit_status"] == (4 if left else 0), told
                    assert rehearsal.site_as_users_see_it() == rehearsal.serving("old"), told
            finally:
                mend(rehearsal)
            if went.told["state"] != RunState.WENT_BACK:
                went = rehearsal.carry("back", run)
            assert (went.told["state"], went.told["exit_status"]) == (RunState.WENT_BACK, 0), (words, went.told)
            assert rehearsal.site_as_users_see_it() == rehearsal.serving("old"), (words, went.told)
            assert not rehearsal.holds_site_certificate("new"), words
