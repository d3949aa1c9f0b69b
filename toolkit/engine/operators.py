"""Steps that a person does by hand: shown, waited for, and verified by the toolkit itself."""

from collections.abc import Callable
from typing import Protocol

from toolkit.model.execution import Outcome, Result, StepContext
from toolkit.model.plan import Step
from toolkit.model.verdict import Verdict


class Operator(Protocol):
    """The person at the keyboard."""

    @property
    def present(self) -> bool:
        """Whether somebody can be asked at all."""
        ...

    def stops_within(self, seconds: float) -> bool:
        """Waits up to `seconds`; True as soon as the operator says that it shall not go on."""
        ...


class NobodyThere:
    """The operator of a run without a terminal: an operator step is looked at once, and else stops the run."""

    present = False

    def stops_within(self, seconds: float) -> bool:
        """Nobody waits."""
        return True


class OperatorStep:
    """A step done by hand, whatever it is: `check` sees from the world whether it is done.

    `check` and `check_undone` return PASSED when what they look for is there; both only look. The instructions stand
    in the step's parameter `instructions`, those for the way back in `way_back_instructions` (else: the way back in
    words). The engine shows them and asks again until the check holds or the operator says stop.
    """

    def __init__(
        self,
        check: Callable[[StepContext], Outcome],
        check_undone: Callable[[StepContext], Outcome] | None = None,
        result: Callable[[StepContext], Result] | None = None,
    ) -> None:
        self._check = check
        self._check_undone = check_undone
        self._result = result

    def look(self, context: StepContext) -> Result | None:
        """The result once the check holds."""
        if self._check(context).verdict is not Verdict.PASSED:
            return None
        return self._result(context) if self._result else {}

    def act(self, context: StepContext) -> Result:
        """Nothing: the operator acts, and `look` tells when it is done."""
        return {}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """The check, once more."""
        return self._check(context)

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """Whether the operator has taken it back."""
        if self._check_undone is None:
            return Outcome(Verdict.SKIPPED, "nothing to take back")
        return self._check_undone(context)


def instructions_for(step: Step, *, undoing: bool) -> str:
    """What the operator is told to do, word for word."""
    if undoing:
        return str(step.parameters.get("way_back_instructions") or step.way_back or "")
    return str(step.parameters.get("instructions") or step.title)
