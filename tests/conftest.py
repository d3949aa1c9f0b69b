"""What all tests share: Hypothesis judges results, never speed; the longest stories begin first; no silent skips."""

import pytest
from hypothesis import HealthCheck, settings

from tests import virtual_machines

settings.register_profile("rebox", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rebox")

_NEEDS_MACHINES = ("vm", "image")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole migrations first: begun last, they would leave one worker alone with them at the end.

    What needs virtual machines is left out where none can run; the end of the run says so.
    """
    items.sort(key=lambda item: "tests/migration/" not in item.nodeid)
    if reason := virtual_machines.missing():
        for item in items:
            if any(item.get_closest_marker(name) for name in _NEEDS_MACHINES):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says loudly what was left out for want of virtual machines."""
    reason = virtual_machines.missing()
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if reason and reason in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.section("VIRTUAL MACHINES WERE NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.line(f"{len(skipped)} tests left out: {reason}")
        for report in skipped:
            terminalreporter.line(f"  {report.nodeid}")
