"""Which package to install next on the way to a wanted site package (requirement U2)."""

from collections.abc import Iterable

from toolkit.model.box import UpdateEntry
from toolkit.model.errors import ApplianceError
from toolkit.model.version import Version


def next_package(offered: Iterable[UpdateEntry], wanted: str, where: str) -> UpdateEntry:
    """The package to install now: the wanted one if the box takes it, else what it requires first.

    A greyed-out package becomes installable by its prerequisite: Base first, then the oldest site package below the
    wanted one. Raises ApplianceError when the wanted one is not offered, or nothing offered helps.
    """
    entries = list(offered)
    target = next((entry for entry in entries if entry.kind == "site" and entry.version == wanted), None)
    if target is None:
        known = ", ".join(entry.version for entry in entries) or "nothing"
        raise ApplianceError(
            f"{wanted} is not offered to the box",
            where=where,
            why=f"the update server offers {known}",
            next_move="Ask for the package to be released to this box (U5), then resume; or take the run back, correct "
            "package.version and start a new run.",
        )
    if target.installable:
        return target
    below = [
        entry
        for entry in entries
        if entry.installable and (entry.kind == "base" or Version.parse(entry.version) < Version.parse(wanted))
    ]
    if not below:
        raise ApplianceError(
            f"{wanted} cannot be installed",
            where=where,
            why=target.reason or "the box gives no reason",
            next_move="Install what it requires by hand, or choose another package.version.",
        )
    return min(below, key=lambda entry: (entry.kind != "base", Version.parse(entry.version)))
