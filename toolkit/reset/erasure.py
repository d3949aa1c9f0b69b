"""What is known of one disk's erasure when it has ended, well or not: the facts that an erasure record is made of."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Erasure(BaseModel):
    """One disk, erased or not, in the terms of NIST SP 800-88 Rev. 1 (4.8 and appendix G).

    `result` is `passed` only when what `verification` names was read and held what it must; `unknown` when the wipe
    was cut off, or a part of the disk could not be read, so that nobody can say; `failed` when something is left or the
    disk refused. `reason` says why it is not `passed`. A field that the disk does not tell is "". `operator` may be "",
    where nobody has said who they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vendor: str = ""
    model: str = ""
    serial_number: str
    wwn: str = ""
    firmware: str = ""
    media_type: str
    """In words: "solid-state disk (NVMe)", "magnetic disk (SATA)", "virtual disk (virtio)", "loop device"."""
    capacity_bytes: int = Field(ge=0)
    sector_bytes: int = Field(default=512, gt=0)

    category: Literal["clear", "purge"]
    """`purge` where the disk itself has erased what no command reads; `clear` where every sector was overwritten."""
    technique: str
    """In words: "overwrite with zeros", "NVMe sanitize, block erase, then overwrite with zeros"."""
    passes: int = Field(ge=0)
    """How many times all of the disk was erased or overwritten; 0: the first was not completed."""
    discarded: bool = False
    again: bool = False
    """An earlier wipe of this disk was cut off, and this one began from the beginning."""
    tool: str = "rebox"
    tool_version: str

    verification: Literal["full", "sampled", "none"]
    verified_bytes: int = Field(default=0, ge=0)
    verified_fraction: float = Field(default=0.0, ge=0.0, le=1.0)
    sample_seed: str = ""
    """From which the places of a sampled verification are found again; "" for others."""
    result: Literal["passed", "failed", "unknown"]
    reason: str = ""

    started: AwareDatetime
    finished: AwareDatetime
    operator: str = ""
    run_id: str | None = None
