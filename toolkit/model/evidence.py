"""What was seen, when, from where and by which probe; never a secret."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from toolkit.model.verdict import Verdict


class EvidenceRecord(BaseModel):
    """One line of `evidence.jsonl`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="Stable within a run: the step's name, a slash and a number.")
    time: datetime = Field(description="When it was seen (UTC).")
    step: str = Field(description="The step it belongs to.")
    probe: str = Field(description='What saw it, e.g. "tls", "arp", "api", "file".')
    vantage: str = Field(description="The host it was seen from.")
    subject: str = Field(description="The box, address or file it is about.")
    summary: str = Field(description="One sentence for people.")
    verdict: Verdict
    data: dict[str, JsonValue] = Field(default_factory=dict, description="The measured values.")
