"""How a plan and a dry run of it look on the terminal: columns where there is room for them, else lines."""

from collections.abc import Iterator

from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from toolkit.cli.output import emit_json, is_narrow, out
from toolkit.engine.outcomes import DryStep
from toolkit.model.execution import Outcome
from toolkit.model.plan import GateReference, Plan, Severity, Step
from toolkit.model.verdict import Verdict


def show_plan(plan: Plan) -> None:
    """Prints a plan for people: each step with its reason, mode, gates and way back."""
    title = f"{plan.procedure} of {plan.site}: old {plan.boxes['old']}, new {plan.boxes['new']}"
    out.print(Text(title, style="bold"))
    if is_narrow():
        for number, step in enumerate(plan.steps, start=1):
            out.print(Text.assemble(f"{number:>2}  ", (step.name, "bold"), f"  {step.mode.value}"))
            out.print(Padding(_lines_of(step), (0, 0, 0, 4)))
    else:
        out.print(_table_of(plan))
    _show_notes(plan)
    back_seconds = sum(step.back_seconds for step in plan.steps if not step.irreversible)
    back = (
        f"`rebox back` returns to the old box in about {back_seconds:.0f} s, until {plan.last_step_with_way_back} has "
        "ended."
        if plan.last_step_with_way_back
        else "No way leads back."
    )
    out.print(f"About {sum(step.expected_seconds for step in plan.steps):.0f} s. {back}")
    for step in (*plan.on_way_back.once_served, *plan.on_way_back.last):
        out.print(Text(f"  on the way back: {step.title}", style="dim"))


def _table_of(plan: Plan) -> Table:
    table = Table(show_lines=True, header_style="bold")
    table.add_column("")
    table.add_column("step", overflow="fold", min_width=max(len(step.name) for step in plan.steps))
    table.add_column("why", overflow="fold")
    table.add_column("mode", no_wrap=True)
    table.add_column("way back", overflow="fold")
    for number, step in enumerate(plan.steps, start=1):
        gates = "".join(f"\n[dim]gate {gate.code} ({gate.severity})[/dim]" for gate in step.gates)
        name = f"[bold]{step.name}[/bold]\n{escape(step.title)}{gates}"
        table.add_row(str(number), name, _why(step), step.mode.value, _back(step))
    return table


def _lines_of(step: Step) -> Table:
    lines = Table.grid(padding=(0, 1))
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")
    lines.add_row("what", escape(step.title))
    lines.add_row("why", _why(step))
    for gate in step.gates:
        lines.add_row("gate", f"{gate.code} ({gate.severity})")
    lines.add_row("back", _back(step))
    return lines


def _why(step: Step) -> str:
    return f"{escape(step.why)} [dim]{' '.join(step.requirements)}[/dim]"


def _back(step: Step) -> str:
    if step.way_back is not None:
        needs = f" [dim](needs the {' and the '.join(step.back_needs)} box)[/dim]" if step.back_needs else ""
        return f"{escape(step.way_back)}{needs}"
    return "[bold red]none: final[/bold red]" if step.irreversible else "nothing to take back"


def _show_notes(plan: Plan) -> None:
    for note in plan.notes:
        out.print(f"[yellow]note[/yellow] {escape(note)}")


def show_dry_run(plan: Plan, steps: tuple[DryStep, ...], *, as_json: bool) -> None:
    """Prints what a dry run saw, for a program or for people."""
    if as_json:
        emit_json({"plan": plan.model_dump(mode="json"), "steps": [_dry_json(step) for step in steps]})
        return
    out.print(Text(f"{plan.procedure} of {plan.site}: a dry run", style="bold"))
    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for dry in steps:
        lines.add_row(Text(dry.step.name), Text(dry.seen.summary, style=_style(dry.seen)))
        for gate, outcome in dry.gates:
            lines.add_row("", _gate(gate, outcome))
    out.print(lines)
    _show_notes(plan)
    out.print("Nothing was changed. Gates are derived again when their step starts.")


def _gate(gate: GateReference, outcome: Outcome) -> Text:
    return Text.assemble(f"gate {gate.code} ", (" ".join(_gate_words(gate, outcome)), _style(outcome)))


def _gate_words(gate: GateReference, outcome: Outcome) -> Iterator[str]:
    match outcome.verdict:
        case Verdict.PASSED:
            yield "holds:"
        case Verdict.FAILED:
            yield "warns:" if gate.severity is Severity.WARN else "does not hold:"
        case Verdict.UNKNOWN:
            yield "cannot be told:"
    yield outcome.summary
    if outcome.verdict is Verdict.FAILED and outcome.next_move:
        yield outcome.next_move


def _style(outcome: Outcome) -> str:
    return {Verdict.FAILED: "red", Verdict.UNKNOWN: "yellow", Verdict.SKIPPED: "dim"}.get(outcome.verdict, "")


def _dry_json(step: DryStep) -> dict[str, object]:
    return {
        "name": step.step.name,
        "seen": step.seen.summary,
        "gates": [
            {"code": gate.code, "severity": gate.severity, "verdict": outcome.verdict, "summary": outcome.summary}
            for gate, outcome in step.gates
        ],
    }
