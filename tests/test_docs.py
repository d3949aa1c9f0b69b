"""The pages say what the code does: gates, commands, and links that lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.procedures.test_hardware_migration import KINDS, OLD_BMC, plan_of, plan_with
from toolkit.catalogue import GATES
from toolkit.cli.main import COMMANDS

PAGES = [Path("README.md"), *sorted(Path("docs").rglob("*.md"))]


def test_the_page_for_people_on_call_lists_every_gate_with_its_severity() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|.*\| (block|warn) \|$", Path("docs/on-call.md").read_text("utf-8"), re.M)
    plans = [*map(plan_of, KINDS), plan_with(OLD_BMC)]
    planned = {gate.code: gate.severity.value for plan in plans for step in plan.steps for gate in step.gates}
    assert dict(rows) == planned
    assert set(planned) == set(GATES)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text) + re.findall(r'src="([^":]+)"', text)
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_that_pages_name_exist(page: Path) -> None:
    named = set(re.findall(r"`rebox ([a-z][a-z-]*)", page.read_text(encoding="utf-8")))
    assert named <= set(COMMANDS)
