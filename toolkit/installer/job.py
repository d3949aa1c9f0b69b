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
    """What to do on which machine; `network` and `report` are what they are in the file."""

    job_id: str
    action: str
    machine_serial: str
    macs: tuple[str, ...]
    disk_serial: str
    image_sha256: str
    seed: Mapping[str, Any] | None
    authorized_keys: tuple[str, ...]
    network: Mapping[str, str] | None
    report: Mapping[str, str] | None
    then: str

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
            disk_serial=str(fields.get("disk_serial", "")),
            image_sha256=str(fields.get("image_sha256", "")).lower(),
            seed=fields.get("seed"),
            authorized_keys=tuple(map(str, fields.get("authorized_keys", ()))),
            network=fields.get("network"),
            report=fields.get("report"),
            then=str(fields.get("then", "power-off")),
        )
    except (ValueError, AttributeError, TypeError):
        # what stands in it is not repeated: it may hold a token
        raise Refused("the job on the medium cannot be read") from None
    if job.action not in _ACTIONS:
        raise Refused(f"the job's action is none that this installer knows; it knows {', '.join(_ACTIONS)}")
    if job.action != "inspect" and not (job.machine_serial and job.macs and job.disk_serial):
        raise Refused("the job does not say which machine, ports and disk it is for")
    return job
