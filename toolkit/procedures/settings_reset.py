"""The factory reset of an old box by itself, outside of any migration (requirement H8), as a pure function."""

from toolkit.model.inventory import Inventory
from toolkit.model.plan import GateReference, Plan, Step


def plan_settings_reset(inventory: Inventory) -> Plan:
    """One step behind the gates that need no migration: what only a run has proved cannot be asked for here."""
    return Plan(
        procedure="settings-reset",
        site=inventory.site.name,
        boxes={"old": inventory.old.serial_number, "new": inventory.new.serial_number},
        steps=(
            Step(
                name="reset-old",
                kind="reset-old",
                title=f"Reset the old box {inventory.old.serial_number} to factory defaults",
                why="It leaves the building: its data, keys and recordings must not.",
                requirements=("H8",),
                gates=(
                    GateReference(
                        code="serial-confirmed", why="The serial number of the box to be reset is confirmed by hand."
                    ),
                    GateReference(code="old-out-of-service", why="The old box must not answer for the site any more."),
                    GateReference(code="old-idle", why="A session that still runs on the old box would end with it."),
                ),
                irreversible=True,
                expected_seconds=10.0,
            ),
        ),
        notes=(
            "Nothing here proves that the box's records, certificates and settings are kept elsewhere: only a "
            "migration does. They are gone with its reset.",
        ),
    )
