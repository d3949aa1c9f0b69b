"""What a read-only look at the boxes and the network found; with the inventory, all that a plan is made from."""

from pydantic import BaseModel, ConfigDict, Field

from toolkit.model.box import BoxStatus, CertificateEntry, NetworkSettings


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BoxFacts(_Frozen):
    """One box as it answered."""

    status: BoxStatus
    network: NetworkSettings
    certificates: tuple[CertificateEntry, ...] = ()


class NewBoxFacts(_Frozen):
    """The new box, which may be off, or a factory box that tells nobody more than its serial number."""

    answers: bool
    serial_number: str | None = None
    in_use: BoxFacts | None = Field(default=None, description="Set when our API account is known there already.")


class NameFacts(_Frozen):
    """What the site's name points at, as its own zone says, before anything is changed."""

    addresses: tuple[str, ...]
    ttl_seconds: int


class Facts(_Frozen):
    """Everything looked at before planning."""

    old: BoxFacts
    new: NewBoxFacts
    name: NameFacts | None = Field(default=None, description="Only for a DNS swing.")
