"""Wipes the disks of a job, one after the other; each is told as it ends, so that none is wiped again for another."""

from collections.abc import Sequence
from typing import Literal, cast

from toolkit.disks.device import Progress
from toolkit.disks.erase import Erased, Order, erase, opened, refuse
from toolkit.disks.facts import Disk, disks
from toolkit.disks.identity import Meant
from toolkit.disks.in_use import PATIENCE_SECONDS, Rules, objections
from toolkit.disks.refusal import Failed, Refused
from toolkit.installer.console import Console
from toolkit.installer.job import Job


def wipe(console: Console, job: Job, wanted: Sequence[Disk], medium: str) -> dict[str, object]:
    """What was done, for the last event. Raises Refused before any disk is written, Failed when one was not wiped.

    A disk that fails does not keep the others from being wiped.
    """
    rules = Rules(
        planned=job.disk_serials,
        own_names=(medium,),
        signatures=job.signatures,
    )
    there = list(disks())
    for disk in wanted:
        refuse(disk, objections(disk, there, rules, patience_seconds=PATIENCE_SECONDS))
    ended = [_one(console, job, disk, rules, number) for number, disk in enumerate(wanted, start=1)]
    failed = [f"{one.disk.identity}: {one.reason}" for one in ended if one.result != "passed"]
    if failed:
        raise Failed("; ".join(failed))
    return {
        "disks": [one.as_json() for one in ended],
        "bytes_written": sum(one.bytes_written for one in ended),
        "bytes_read": sum(one.bytes_read for one in ended),
    }


def _one(console: Console, job: Job, wanted: Disk, rules: Rules, number: int) -> Erased:
    place = {"disk_serial": wanted.identity, "number": number, "of": len(job.disk_serials)}

    def phases(phase: str) -> Progress:
        return console.progress(phase, **place)

    order = Order(job.method, cast("Literal['full', 'sample']", job.verify))
    erased = Erased(wanted)
    try:
        with opened(Meant.seen(wanted), rules, disks) as (_, device):
            console.say("begin", action="wipe", again=device.begun(), **place)
            erase(erased, device, order, phases)
    except Refused as refused:
        if number == 1:
            raise  # nothing was written at all
        erased.result, erased.reason = "failed", str(refused)
    console.say("wiped", **{**erased.as_json(), **place})
    return erased
