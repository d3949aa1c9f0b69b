"""What is installed next on the way to a wanted site package (requirement U2)."""

import pytest

from toolkit.model.box import UpdateEntry
from toolkit.model.errors import ApplianceError
from toolkit.upgrade.order import next_package


def offer(version: str, *, kind: str = "site", reason: str | None = None) -> UpdateEntry:
    return UpdateEntry.model_validate(
        {
            "id": version,
            "kind": kind,
            "version": version,
            "title": version,
            "size_bytes": 1,
            "installable": reason is None,
            "reason": reason,
            "eula_required": kind == "site",
            "eula_accepted": False,
        }
    )


def test_the_wanted_package_is_next_as_soon_as_the_box_takes_it() -> None:
    offered = [offer("Bomgar-12.1.6"), offer("Bomgar-12.2.0")]
    assert next_package(offered, "Bomgar-12.2.0", "new").version == "Bomgar-12.2.0"


def test_base_comes_first_then_the_oldest_site_package_below() -> None:
    greyed = offer("Bomgar-12.2.0", reason="3.3.2 does not satisfy it")
    base = offer("3.3.3", kind="base")
    assert next_package([offer("Bomgar-12.1.6"), base, greyed], "Bomgar-12.2.0", "new") == base
    assert next_package([offer("Bomgar-12.1.7"), offer("Bomgar-12.1.6"), greyed], "Bomgar-12.2.0", "new").version == (
        "Bomgar-12.1.6"
    )


def test_a_newer_site_package_is_no_prerequisite() -> None:
    greyed = offer("Bomgar-12.2.0", reason="not yet released to you")
    with pytest.raises(ApplianceError, match="not yet released to you"):
        next_package([greyed, offer("Bomgar-13.0.0")], "Bomgar-12.2.0", "new")


def test_what_is_not_offered_is_named_with_what_is() -> None:
    with pytest.raises(ApplianceError, match=r"offers Bomgar-12\.1\.6"):
        next_package([offer("Bomgar-12.1.6")], "Bomgar-12.2.0", "new")
