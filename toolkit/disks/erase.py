"""Erases one disk from its proof of identity to its verification; what came of it, well or not, is told in the end."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any, Literal

from toolkit.disks import method, wipe
from toolkit.disks.commands.technique import Category, CommandFailed, Sleep, Technique
from toolkit.disks.device import Device, Progress
from toolkit.disks.facts import Disk
from toolkit.disks.identity import Meant, find, prove, still
from toolkit.disks.in_use import PATIENCE_SECONDS, Objection, Rules, objections
from toolkit.disks.refusal import Failed, Refused, Unknown
from toolkit.disks.sampling import covered, samples

Phases = Callable[[str], Progress]
"""Called with a phase (`erase`, `write`, `read-back`) as it begins; returns what is told how far it is."""
Verify = Literal["full", "sample"]


@dataclass(frozen=True)
class Order:
    """How: `method` is `auto`, `overwrite` or a technique's name; `seed` is where samples are taken from."""

    method: str = method.AUTO
    verify: Verify = "full"
    seed: str = field(default_factory=lambda: token_hex(16))


@dataclass
class Erased:
    """What came of it. `passes` counts what was completed; `verified` is what `bytes_read` covers."""

    disk: Disk
    technique: str = method.OVERWRITE_WORDS
    category: Category = "clear"
    passes: int = 0
    discarded: bool = False
    again: bool = False
    verified: Literal["full", "sampled", "none"] = "none"
    bytes_written: int = 0
    bytes_read: int = 0
    sample_seed: str = ""
    seconds: float = 0.0
    result: Literal["passed", "failed", "unknown"] = "unknown"
    reason: str = "it was cut off"

    def as_json(self) -> dict[str, Any]:
        """Flat, for an event; the disk is named by `disk_serial`."""
        disk = self.disk
        told = {name: value for name, value in vars(self).items() if name != "disk"}
        return {
            "disk_serial": disk.identity,
            "vendor": disk.vendor,
            "model": disk.model,
            "firmware": disk.firmware,
            "wwn": disk.wwn,
            "backing_file": disk.backing_file,
            "media_type": disk.media_type,
            "size_bytes": disk.size_bytes,
            "sector_bytes": disk.sector_bytes,
            **told,
            "seconds": round(self.seconds, 1),
        }


@contextmanager
def opened(meant: Meant, rules: Rules, there: Callable[[], Iterable[Disk]]) -> Iterator[tuple[Disk, Device]]:
    """The disk that is meant, for this process alone, with nothing that speaks against wiping it; raises Refused.

    `there` lists the disks anew: it is asked before opening and after it.
    """
    found = list(there())
    disk = find(meant, found)
    refuse(disk, objections(disk, found, rules, patience_seconds=PATIENCE_SECONDS))
    with Device.open(disk.path, disk.size_bytes) as device:
        prove(Meant.seen(disk), device.descriptor)
        ours = replace(rules, opened_here=True)
        refuse(disk, objections(disk, there(), ours, patience_seconds=PATIENCE_SECONDS))
        yield disk, device


def refuse(disk: Disk, why: Iterable[Objection], what: str = "wiped") -> None:
    """Raises Refused with all that was found; `what` is not done."""
    told = list(why)
    if told:
        reasons = "; ".join(objection.why for objection in told) + named(told)
        raise Refused(f"the disk {disk.identity or disk.name} is not {what}: {reasons}")


def named(why: Iterable[Objection]) -> str:
    """What lifts objections that are signatures, in words; "" where there are none, or others too."""
    told = list(why)
    if not all(objection.signature for objection in told):
        return ""
    names = ", ".join(dict.fromkeys(objection.signature for objection in told))
    return f" (to have that lost, name the signature: {names})"


def erase(erased: Erased, device: Device, order: Order, phases: Phases, sleep: Sleep = time.sleep) -> Erased:
    """Erases an opened disk. Raises Refused before a byte is written; from then on what happens is in the result.

    `erased` is handed in fresh, and filled as it goes: whoever is interrupted has what is known by then.
    """
    disk = erased.disk
    method.tidy(disk, device.descriptor)
    techniques = method.choose(order.method, method.offered(disk, device.descriptor))
    began = time.monotonic()
    try:
        _carry_out(_Work(Meant.seen(disk), device, order, phases, sleep), techniques, erased)
    except Unknown as unknown:
        erased.reason = str(unknown)
    except (Failed, OSError) as failed:
        erased.result, erased.reason = "failed", str(failed)
    finally:
        erased.seconds = time.monotonic() - began
    return erased


@dataclass(frozen=True)
class _Work:
    meant: Meant
    device: Device
    order: Order
    phases: Phases
    sleep: Sleep


def _carry_out(work: _Work, techniques: tuple[Technique, ...], erased: Erased) -> None:
    device, disk = work.device, erased.disk
    erased.again = device.begun()
    erased.discarded = wipe.begin(device)
    _by_itself(work, techniques, erased)
    still(work.meant, device.descriptor)
    wipe.write_zeros(device, work.phases("write"))
    erased.bytes_written, erased.passes = disk.size_bytes, erased.passes + 1
    still(work.meant, device.descriptor)
    spans = [(0, disk.size_bytes)]
    if work.order.verify == "sample":
        spans = samples(disk.size_bytes, disk.sector_bytes, work.order.seed)
        erased.sample_seed = work.order.seed
    erased.bytes_read = wipe.read_zeros(device, spans, work.phases("read-back"))
    still(work.meant, device.descriptor)
    erased.verified = "full" if covered(spans) == disk.size_bytes else "sampled"
    erased.result, erased.reason = "passed", ""


def _by_itself(work: _Work, techniques: tuple[Technique, ...], erased: Erased) -> None:
    """By the first technique that the disk begins; none begun and one wanted by name is a failure.

    A disk that says that it has erased itself and still has the mark that was written before has not.
    """
    for technique in techniques:
        still(work.meant, work.device.descriptor)
        try:
            technique.run(work.phases("erase"), work.sleep)
        except CommandFailed as failed:
            if work.order.method == technique.name:
                raise Failed(str(failed)) from None
            continue
        work.device.settle()
        if work.device.begun():
            raise Failed(f"the disk says that it has erased itself ({technique.words}), and what was on it still is")
        erased.technique = f"{technique.words}, then {method.OVERWRITE_WORDS}"
        erased.category, erased.passes = technique.category, erased.passes + 1
        work.device.mark()
        return
