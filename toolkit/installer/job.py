"""The job on the medium, as `toolkit.images.installer_job` writes it there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.disks.refusal import Refused

_DATA_SERIAL = "rebox-data"
"""Where a box looks for its data when its seed names no disk."""
_ACTIONS = ("install", "wipe", "inspect")


@dataclass(frozen=True)
class Job:
    """What to do on which machine; `network` and `report` are what they are in the file.

    `signatures`: names of signatures (docs/reset.md) that may be overwritten, though others may need what bears them.
    """

    job_id: str
    action: str
    machine_serial: str
    macs: tuple[str, ...]
    disk_serials: tuple[str, ...]
    image_sha256: str
    seed: Mapping[str, Any] | None
    authorized_keys: tuple[str, ...]
    network: Mapping[str, str] | None
    report: Mapping[str, str] | None
    then: str
    method: str = "auto"
    verify: str = "full"
    signatures: tuple[str, ...] = ()

    @property
    def disk_serial(self) -> str:
        """The disk of a job that has one; "" when it has none."""
        return self.disk_serials[0] if self.disk_serials else ""

    @property
    def data_serial(self) -> str:
        """The serial number of the disk for the box's data; "" when nobody said what box it will be."""
        return "" if self.seed is None else str(self.seed.get("data_disk_serial", _DATA_SERIAL))


def read_job(content: bytes) -> Job | None:
    """The job; None when the medium holds none. Raises Refused when it cannot be understood."""
    if not content.strip():
        return None
    try:
        fields = json.loads(content)
        job = Job(
            job_id=str(fields.get("job_id", "")),
            action=str(fields.get("action", "inspect")),
            machine_serial=str(fields.get("machine_serial", "")),
            macs=tuple(str(mac).lower() for mac in fields.get("macs", ())),
            disk_serials=_serials(fields),
            image_sha256=str(fields.get("image_sha256", "")).lower(),
            seed=fields.get("seed"),
            authorized_keys=tuple(map(str, fields.get("authorized_keys", ()))),
            network=fields.get("network"),
            report=fields.get("report"),
            then=str(fields.get("then", "power-off")),
            method=str(fields.get("method", "auto")),
            verify=str(fields.get("verify", "full")),
            signatures=tuple(map(str, fields.get("signatures", ()))),
        )
    except (ValueError, AttributeError, TypeError):
        # what stands in it is not repeated: it may hold a token
        raise Refused("the job on the medium cannot be read") from None
    if job.action not in _ACTIONS:
        raise Refused(f"the job's action is none that this installer knows; it knows {', '.join(_ACTIONS)}")
    if job.action != "inspect" and not (job.machine_serial and job.macs and job.disk_serial):
        raise Refused("the job does not say which machine, ports and disk it is for")
    if len(set(job.disk_serials)) != len(job.disk_serials) or (job.action == "install" and len(job.disk_serials) > 1):
        raise Refused("the job names a disk twice, or several disks to install to")
    if job.verify not in ("full", "sample"):
        raise Refused("the job does not say how the disk is verified: full or sample")
    return job


def _serials(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Of several disks, or of one, as older jobs have it."""
    several = fields.get("disk_serials") or (fields.get("disk_serial", ""),)
    if isinstance(several, str):
        raise TypeError("a list was expected")
    return tuple(str(serial) for serial in several if serial)
