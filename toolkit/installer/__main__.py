"""Runs the installer; its exit status tells `init` how the machine ends: off, starts again, or with a shell."""

import sys
import time

from toolkit.disks.device import Device
from toolkit.disks.erase import refuse
from toolkit.disks.facts import Disk
from toolkit.disks.in_use import PATIENCE_SECONDS, Rules, objections
from toolkit.disks.refusal import Failed, Refused
from toolkit.installer import checks, install, medium, wiping
from toolkit.installer.call_home import CallHome, set_up
from toolkit.installer.console import Console
from toolkit.installer.job import Job, read_job
from toolkit.installer.machine import Inventory, holds

OFF, AGAIN, SHELL = 0, 10, 20


def main() -> int:
    """Does the job on the medium."""
    console = Console()
    try:
        return _run(console)
    except Refused as refused:
        console.say("refused", reason=str(refused))
    except (Failed, OSError) as failed:
        console.say("failed", reason=str(failed))
    return OFF


def _run(console: Console) -> int:
    console.say("started")
    machine = medium.settled(medium.is_there)
    name = medium.mount(machine)
    job = read_job(medium.job_on())
    if job is not None and job.action != "inspect" and not _has_all(job, machine):
        machine = medium.settled(lambda now: _has_all(job, now))
    if job is not None and job.network and job.report:
        _call_home(console, job)
    console.say("inventory", medium=name or "network", **machine.as_json())
    if job is None or job.action == "inspect":
        console.say("done", action="inspect")
        return SHELL if job is None else _end(job)
    disks = checks.targets(job, machine, name)
    began = time.monotonic()
    wipes = job.action == "wipe"
    result = wiping.wipe(console, job, disks, name) if wipes else _install(console, job, machine, disks[0], name)
    seconds = round(time.monotonic() - began, 1)
    console.say("done", action=job.action, disk_serial=job.disk_serial, seconds=seconds, **result)
    return _end(job)


def _has_all(job: Job, machine: Inventory) -> bool:
    serials = {disk.serial for disk in machine.disks}
    wanted = {*job.disk_serials, job.data_serial} - {""}
    return wanted <= serials and set(job.macs) <= set(machine.macs)


def _call_home(console: Console, job: Job) -> None:
    if job.network is None or job.report is None:
        return
    why = set_up(job.network)
    console.home = CallHome(job.report)
    if why:
        console.say("report", reason=why)


def _install(console: Console, job: Job, machine: Inventory, disk: Disk, medium_name: str) -> dict[str, object]:
    image = medium.contained()
    checks.room(job, disk, image.size_bytes, image.sha256)
    seed = None if job.seed is None else install.seed_volume(job.seed, job.authorized_keys)
    with Device.open(disk.path, disk.size_bytes) as device:
        if install.was_done(device, job.job_id):
            return {"already": True, "image_sha256": image.sha256, "bytes_written": 0, "bytes_read": 0}
        checks.data(job, machine, disk, holds)
        rules = Rules(planned=(disk.identity,), own_names=(medium_name,), signatures=job.signatures, opened_here=True)
        refuse(disk, objections(disk, machine.disks, rules, patience_seconds=PATIENCE_SECONDS), "overwritten")
        console.say("begin", action=job.action, disk_serial=disk.serial, again=device.begun())
        with medium.unpacked() as stream:
            head = install.write_image(stream, image.size_bytes, device, console.progress("write"))
        read = install.finish(
            device, head, image.size_bytes, image.sha256,
            job_id=job.job_id, seed=seed, data=job.data_serial == disk.serial, progress=console.progress("read-back"),
        )  # fmt: skip
    return {"already": False, "image_sha256": image.sha256, "bytes_written": image.size_bytes, "bytes_read": read}


def _end(job: Job) -> int:
    return AGAIN if job.then == "reboot" else OFF


if __name__ == "__main__":
    sys.exit(main())
