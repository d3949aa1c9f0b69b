"""What all tests share: Hypothesis judges results, never speed; the longest stories begin first; no silent skips."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests import left_out, virtual_machines

settings.register_profile("rebox", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rebox")

_NEEDS_MACHINES = ("vm", "image")
_NEEDS_ROOT = "metal_hall"
"""The fixture that plugs a cable into the machine's own network."""


@pytest.hookimpl(tryfirst=True)  # before the marks are selected by
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole migrations first: begun last, they would leave one worker alone with them at the end.

    What needs root, or virtual machines where none can run, is left out; the end of the run says so.
    """
    for item in items:
        if _NEEDS_ROOT in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.root)
        if os.geteuid() != 0 and item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason=left_out.ONLY_ROOT))
    items.sort(key=lambda item: "tests/migration/" not in item.nodeid)
    if reason := virtual_machines.missing():
        for item in items:
            if any(item.get_closest_marker(name) for name in _NEEDS_MACHINES):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_deselected(items: list[pytest.Item]) -> None:
    """What is left to `make test-endurance` counts as left out."""
    if not os.environ.get("PYTEST_XDIST_WORKER"):
        late = [item.nodeid for item in items if item.get_closest_marker("endurance")]
        left_out.write(left_out.LeftOut(test, left_out.ENDURANCE) for test in late)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says loudly what was left out for want of virtual machines."""
    left_out.write(left_out.of_reports(terminalreporter.stats.get("skipped", [])))
    reason = virtual_machines.missing()
    skipped = [
        report for report in terminalreporter.stats.get("skipped", []) if reason and reason in str(report.longrepr)
    ]
    if skipped:
        terminalreporter.section("VIRTUAL MACHINES WERE NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.line(f"{len(skipped)} tests left out: {reason}")
        for report in skipped:
            terminalreporter.line(f"  {report.nodeid}")
