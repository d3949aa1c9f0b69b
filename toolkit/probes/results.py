"""What every probe's result has: a verdict and one sentence; the rest is what was measured."""

from pydantic import BaseModel, ConfigDict, JsonValue

from toolkit.model.verdict import Verdict


class Seen(BaseModel):
    """A frozen noun of the probes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProbeResult(Seen):
    """How a probe ended. `summary` is one sentence for people; neither ever holds a secret."""

    verdict: Verdict
    summary: str

    @property
    def data(self) -> dict[str, JsonValue]:
        """The measured values, as they go into evidence."""
        return self.model_dump(mode="json", exclude={"verdict", "summary"})
