"""What all tests share: Hypothesis judges results, never speed; and the longest stories begin first."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("rebox", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rebox")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole migrations first: begun last, they would leave one worker alone with them at the end."""
    items.sort(key=lambda item: "tests/migration/" not in item.nodeid)
