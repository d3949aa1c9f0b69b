"""Refuses a plan that could not be executed to its end, before anything is written."""

from collections import Counter
from collections.abc import Collection, Container

from toolkit.model.errors import InputError
from toolkit.model.plan import Plan, Severity


def check_plan(plan: Plan, kinds: Container[str], gates: Container[str]) -> None:
    """Raises InputError when a name stands twice, a step or gate has no implementation, or one box plays two roles."""
    for name, count in Counter(step.name for step in plan.every_step).items():
        if count > 1:
            raise _unusable(plan, f"{count} of its steps are called {name!r}")
    if not plan.steps:
        raise _unusable(plan, "it has no steps")
    for serial, count in Counter(plan.boxes.values()).items():
        if count > 1:
            raise InputError(
                "the same box is given twice",
                where=f"serial number {serial}",
                why=" and ".join(role for role, box in plan.boxes.items() if box == serial) + " are one box",
                next_move="Name two different boxes in the inventory.",
            )
    check_kinds(plan, kinds)
    _check_way_back(plan)
    earlier: set[str] = set()
    for step in plan.steps:
        for gate in step.gates:
            if gate.after is not None and gate.after not in earlier:
                raise _unusable(plan, f"the gate {gate.code} of step {step.name} comes after {gate.after!r}")
            if gate.code not in gates:
                raise _unusable(plan, f"step {step.name} has the gate {gate.code!r}, which this toolkit does not know")
        earlier.add(step.name)


def _check_way_back(plan: Plan) -> None:
    names = {step.name for step in plan.every_step}
    for step in plan.every_step:
        if unknown := [*({*step.back_after} - names), *({*step.back_needs} - plan.boxes.keys())]:
            raise _unusable(plan, f"the way back of step {step.name} names {unknown[0]!r}, which it does not have")


def check_kinds(plan: Plan, kinds: Container[str]) -> None:
    """Raises InputError when this toolkit does not know how one of the steps is done."""
    for step in plan.every_step:
        if step.kind not in kinds:
            raise _unusable(plan, f"step {step.name} is of the kind {step.kind!r}, which this toolkit does not know")


def check_acknowledged(plan: Plan, codes: Collection[str]) -> None:
    """Raises InputError when a code is no gate of the plan, or one that blocks and cannot be acknowledged."""
    severities: dict[str, set[Severity]] = {}
    for step in plan.steps:
        for gate in step.gates:
            severities.setdefault(gate.code, set()).add(gate.severity)
    warnings = sorted(code for code, found in severities.items() if Severity.WARN in found)
    for code in codes:
        if code not in warnings:
            raise InputError(
                f"{code!r} cannot be acknowledged",
                why="that gate blocks" if code in severities else "the plan has no such gate",
                next_move=f"What can be acknowledged here: {', '.join(warnings) or 'nothing'}.",
            )


def _unusable(plan: Plan, why: str) -> InputError:
    return InputError(
        "the plan cannot be executed",
        where=f"{plan.procedure} of {plan.site}",
        why=why,
        next_move="Make the plan with the toolkit that executes it.",
    )
