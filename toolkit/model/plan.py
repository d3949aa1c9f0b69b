"""A plan: ordered steps, each with its reason, mode and way back; made by a pure function, executed by the engine."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Mode(StrEnum):
    """Who does a step."""

    AUTOMATIC = "automatic"
    OPERATOR = "operator"


class Severity(StrEnum):
    """What a gate that does not hold means: `warn` can be acknowledged, `block` cannot be forced."""

    WARN = "warn"
    BLOCK = "block"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GateReference(_Frozen):
    """A condition that must hold before a step may start; re-derived at that moment, never remembered."""

    code: str = Field(description="Stable code of the gate; the wiring knows its implementation.")
    severity: Severity = Severity.BLOCK
    why: str
    after: str | None = Field(
        default=None, description="The earlier step without which it cannot hold; None: it can hold from the start."
    )


class Step(_Frozen):
    """One step of a plan. `kind` names the implementation, `name` is unique in the plan."""

    name: str
    kind: str
    title: str = Field(description="What is done, in the imperative, for the operator.")
    why: str
    requirements: tuple[str, ...] = Field(default=(), description='Numbers in the guide, e.g. "H2".')
    mode: Mode = Mode.AUTOMATIC
    parameters: dict[str, JsonValue] = Field(default_factory=dict, description="Never a secret; references only.")
    gates: tuple[GateReference, ...] = ()
    way_back: str | None = Field(
        default=None, description="How it is undone, in words; None: it changes nothing that needs undoing."
    )
    back_seconds: float = Field(default=0.0, description="How long undoing it is expected to take.")
    back_needs: tuple[str, ...] = Field(
        default=(), description='The boxes ("old", "new") that must answer for it to be undone; none: it needs no box.'
    )
    back_after: tuple[str, ...] = Field(
        default=(), description="What must be over before it is undone, because undoing it takes away what that needs."
    )
    expected_seconds: float = Field(default=1.0, description="How long the step is expected to take.")
    changes: bool = Field(default=True, description="False: it only looks, and not for long: a dry run executes it.")
    irreversible: bool = Field(default=False, description="True: from here on there is no way back.")
    interrupts_service: bool = False
    renewed: bool = Field(
        default=False,
        description="True: what it finds may be otherwise a moment later. It is done again whenever the run is taken "
        "up before the next step has come to act.",
    )


class WayBackSteps(_Frozen):
    """What the way back does besides undoing steps; each is done and verified like any other step.

    A plan of an older toolkit has none: its way back ends without a proof of its own.
    """

    once_served: tuple[Step, ...] = Field(
        default=(), description="Done once a service that was interrupted is restored, before anything is tidied."
    )
    last: tuple[Step, ...] = Field(
        default=(), description="Done at the end, each time; the first is the proof of who serves users."
    )


class Plan(_Frozen):
    """What the engine executes, in order."""

    procedure: str
    site: str
    boxes: dict[str, str] = Field(description='Role ("old", "new") to serial number; what locks are taken on.')
    steps: tuple[Step, ...]
    on_way_back: WayBackSteps = WayBackSteps()
    notes: tuple[str, ...] = Field(default=(), description="What the reader should know before starting.")

    @property
    def every_step(self) -> tuple[Step, ...]:
        """The steps, and those of the way back."""
        return (*self.steps, *self.on_way_back.once_served, *self.on_way_back.last)

    def step(self, name: str) -> Step:
        """The step of that name, also of the way back; raises KeyError."""
        for step in self.every_step:
            if step.name == name:
                return step
        raise KeyError(name)

    @property
    def last_step_with_way_back(self) -> str | None:
        """The last step before the first irreversible one: until it has ended, `back` is possible."""
        last: str | None = None
        for step in self.steps:
            if step.irreversible:
                return last
            last = step.name
        return last
