"""Whether what cannot be taken back has begun on the old box, by two records that know nothing of each other.

The quarantine is written before anything is destroyed; the box itself says whether it was reset, to anybody who asks. A
box that is silent, or is another one, proves nothing.
"""

from toolkit.appliances.trust import box
from toolkit.appliances.world import ANSWER_SECONDS_MAX, SLOW_SECONDS_MAX, World
from toolkit.model.errors import ReboxError
from toolkit.model.execution import StepContext


def irreversible_has_begun(context: StepContext) -> tuple[bool | None, str]:
    """Whether the step of `context` has begun (None: it cannot be told), and by what that is known."""
    world: World = context.world
    serial = context.plan.boxes["old"]
    try:
        entries = [entry for entry in world.quarantine.history(serial) if entry.run_id == context.run_id]
    except ReboxError as error:
        return None, f"the quarantine cannot be read: {error.why}"
    if any(entry.step == context.step.name for entry in entries):
        return True, f"the quarantine of {serial} says that this step has begun"
    old = box(context, "old")
    try:
        with old.within(ANSWER_SECONDS_MAX, SLOW_SECONDS_MAX):
            status = old.reset_status()
    except ReboxError as error:
        return None, f"the old box cannot be asked whether it was reset: {error.what}"
    if status.serial_number != serial:
        return None, f"at the old box's address answers {status.serial_number}, not {serial}"
    if status.state == "none":
        return False, f"{serial} says itself that it was not reset, and it is not in quarantine for it"
    return True, f"{serial} says itself: its reset is {status.state}"
