"""What the way back of a migration does besides undoing steps: it saves what would be lost, and proves who serves."""

from toolkit.model.inventory import Inventory
from toolkit.model.plan import Step, WayBackSteps

COLLECT = "collect-from-new"
"""The step that must be over before anything takes the new box away."""


def on_way_back(inventory: Inventory) -> WayBackSteps:
    """The steps of the way back itself, in order."""
    return WayBackSteps(
        once_served=(
            Step(
                name=COLLECT,
                kind="collect-from-new",
                title="Collect the sessions made on the new box since the swing, and put them back on the old one; do "
                "not wipe the new box before",
                why="Their records are on the new box alone, and it goes out of service.",
                requirements=("A5", "F7"),
                back_needs=("new", "old"),
                expected_seconds=3.0,
                back_seconds=3.0,
            ),
        ),
        last=(
            Step(
                name="prove-served",
                kind="prove-served",
                title=f"Prove that users of {inventory.site.name} are served by the old box",
                why="A way back has ended well when users are served, and not when everything was undone.",
                requirements=("H7", "F6"),
                changes=False,
                expected_seconds=2.0,
                back_seconds=2.0,
            ),
            Step(
                name="stop-watch",
                kind="stop-watch",
                title="End the watch, if the old box serves",
                why="An outage counts whenever it happens, also on the way back; one that goes on is watched on.",
                requirements=("H7",),
                expected_seconds=2.0,
                back_seconds=2.0,
            ),
        ),
    )
