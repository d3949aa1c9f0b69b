"""Killed with -9 at every step of a migration, between steps and in the middle of them, and resumed each time."""

import json
import re
from collections import Counter

import pytest

from tests.migration.rehearsal import Rehearsal
from toolkit.engine.states import RunState
from toolkit.model.verdict import Verdict

# ":" is a moment of the engine's, ">" a change the box has made and nobody has heard of, "~" a file that has appeared
_EVERYWHERE = r".+:(acting|acted|verified)|.+>.+|.+~.+"

_SESSIONS = 24
_ONCE = {
    "change-password": 1,
    "make-api-account": 1,
    "add-address": 2,
    "begin-network-change": 1,
    "confirm-network-change": 1,
    "sign-eula": 1,
    "install-update": 1,
    "import-certificate": 1,
    "assign-certificate": 1,
    "restore-settings": 1,
    "import-sessions": 1,
    "import-recording": 12,
    "enable-address": 2,
}
"""What a migration changes on a new box: two shared addresses, one package, a site of 1 MB."""


@pytest.mark.timeout(900)
def test_killed_everywhere_the_migration_is_resumed_to_its_end_and_nothing_is_done_twice(rehearsal: Rehearsal) -> None:
    run = rehearsal.start(rehearsal.inventory)
    folder = rehearsal.runs / run
    middle = {
        "provision-new~the box boots": rehearsal.lab.folder.console("new"),
        "start-watch~one of two watches runs": folder / "watch" / "00" / "started.json",
    }
    seen: list[str] = []
    sent: list[str] = []
    audit_of_old: list[str] = []
    while True:
        left = {name: path for name, path in middle.items() if name not in seen and not path.exists()}
        do = "resume" if seen else "run"
        ended = rehearsal.carry(do, run, kill_at=_EVERYWHERE, seen=seen, when_there=left)
        sent += ended.sent
        if ended.killed_at is None:
            break
        assert ended.status == -9
        assert rehearsal.history(run).state is RunState.INTERRUPTED
        seen.append(ended.killed_at)
        assert len(seen) < 150, seen
        if ended.killed_at == "reset-old:acting":
            audit_of_old = rehearsal.actions("old")

    assert ended.told["state"] == RunState.PASSED, (seen, ended.told)
    steps = [step["name"] for step in rehearsal.plan(rehearsal.inventory)["steps"]]
    for step in steps:
        kills = [point for point in seen if re.split("[:>~]", point)[0] == step]
        assert f"{step}:acting" in kills
        assert f"{step}:verified" in kills
        assert len(kills) >= 3, kills
    assert {*middle} <= {*seen}

    on_old, on_new = Counter(audit_of_old), Counter(rehearsal.actions("new"))
    for looked in ("download-backup", "export-certificate"):
        assert on_old.pop(looked) >= 1, "reading again changes nothing"
    assert on_old == {"disable-address": 2}
    assert sum(" 10.77.0.21/api/v1/reset" in one and one.startswith("POST") for one in sent) == 1
    assert on_new.pop("check-for-updates") >= 1, "as above"
    assert on_new == _ONCE
    brought = [json.loads(row["detail"]) for row in rehearsal.audit("new") if row["action"].startswith("import-")]
    recordings = [detail["lsid"] for detail in brought if "lsid" in detail]
    assert len({*recordings}) == _ONCE["import-recording"]
    assert sum(detail.get("imported", 0) for detail in brought) == _SESSIONS
    assert len(rehearsal.rows("new", "SELECT lsid FROM sessions")) == _SESSIONS

    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["verdict"] == Verdict.PASSED
    for step in report["steps"]:
        assert step["resumed"] == sum(re.split("[:>~]", point)[0] == step["name"] for point in seen), step["name"]
    assert report["old_appliance"]["state"] == "reset-and-off"

    assert rehearsal.site_as_users_see_it() == rehearsal.serving("new")
    assert rehearsal.lab.status().machines["old"].power == "off"
