"""What is known of one disk's erasure when it has ended, well or not: the facts that an erasure record is made of."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from toolkit.model.errors import InputError, words_of


class ErasedLayer(BaseModel):
    """One image that a virtual disk is made of: its own, or one that it is laid over.

    `result` is `left` for one that was not wiped since the inventory leaves it; `reason` says who uses it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: str
    """Its path on the host."""
    format: str
    size_bytes: int = Field(ge=0)
    bytes_read: int = Field(ge=0)
    technique: str
    verification: Literal["full", "none"]
    again: bool = False
    result: Literal["passed", "failed", "unknown", "left"]
    reason: str = ""


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
    serial_number: str = ""
    wwn: str = ""
    firmware: str = ""
    media_type: str
    """In words: "solid-state disk (nvme)", "magnetic disk (sata)", "virtual disk (virtio)", "loop device"."""
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
    backing_file: str = ""
    """The file behind a loop device, which has no serial number: what it is known by instead."""
    layers: tuple[ErasedLayer, ...] = ()
    """The images of a virtual disk, its own first; none for other disks. Sizes above are of all that were wiped."""
    kept_beside: tuple[str, ...] = ()
    """What a host keeps of a virtual machine beside its disks, in words; it was not wiped."""

    @model_validator(mode="after")
    def _honest(self) -> "Erasure":
        if self.result == "passed" and (self.verification == "none" or not self.verified_bytes or not self.passes):
            raise ValueError("an erasure that was not verified has not passed")
        if self.result == "passed" and any(layer.result != "passed" for layer in self.layers):
            raise ValueError("a disk has not passed whose data may lie in an image below it")
        if bool(self.serial_number) == bool(self.backing_file):
            raise ValueError("a disk is known by its serial number, or a loop device by its file")
        return self

    @property
    def identity(self) -> str:
        """What the disk is known by: its serial number, or the file behind a loop device."""
        return self.serial_number or self.backing_file


def erasure_of(
    told: Mapping[str, Any], *, finished: datetime, tool_version: str, operator: str = "", run_id: str | None = None
) -> Erasure:
    """From what `toolkit.disks` told of one disk, here or on the installer (docs/images.md, the event `wiped`).

    `finished` is when that was heard here: the clock of a machine that is wiped may show anything. Raises InputError
    for what is no such thing.
    """
    try:
        return _erasure(told, finished, tool_version, operator, run_id)
    except (KeyError, TypeError, ValueError) as error:  # pydantic's is a ValueError
        raise InputError(
            "what is told of a wiped disk is incomplete",
            why=words_of(error).splitlines()[0],
            next_move="Build the installer anew, so that it is of this version.",
        ) from None


def _erasure(
    told: Mapping[str, Any], finished: datetime, tool_version: str, operator: str, run_id: str | None
) -> Erasure:
    size = int(told["size_bytes"])
    loop = bool(told.get("backing_file"))
    return Erasure(
        vendor=told["vendor"],
        model=told["model"],
        serial_number="" if loop else told["disk_serial"],
        backing_file=told.get("backing_file", ""),
        wwn=told["wwn"],
        firmware=told["firmware"],
        media_type=told["media_type"],
        capacity_bytes=size,
        sector_bytes=told["sector_bytes"],
        category=told["category"],
        technique=told["technique"],
        passes=told["passes"],
        discarded=told["discarded"],
        again=told["again"],
        tool_version=tool_version,
        verification=told["verified"],
        verified_bytes=told["bytes_read"],
        verified_fraction=min(told["bytes_read"] / size, 1.0) if size else 0.0,
        sample_seed=told["sample_seed"],
        result=told["result"],
        reason=told["reason"],
        started=finished - timedelta(seconds=float(told["seconds"])),
        finished=finished,
        operator=operator,
        run_id=run_id,
        layers=told.get("layers", ()),
        kept_beside=told.get("kept_beside", ()),
    )
