"""The disks of this machine: which there are, what speaks against wiping each, and wiping those that are named."""

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from toolkit.disks import method
from toolkit.disks.commands.technique import Offer
from toolkit.disks.erase import Erased, Order, erase, opened
from toolkit.disks.facts import Disk, disks
from toolkit.disks.identity import Meant, find
from toolkit.disks.in_use import PATIENCE_SECONDS, Objection, Rules, objections
from toolkit.disks.refusal import Failed, Refused
from toolkit.model.errors import InputError, PermissionDeniedError, RefusedError, words_of
from toolkit.model.execution import Progress
from toolkit.reset.erasure import Erasure, erasure_of

_HALVES = {"erase": (0.0, 0.1), "write": (0.1, 0.55), "read-back": (0.55, 1.0)}
"""From where to where in a disk's wipe a phase goes, when nothing better is known."""
_WORDS = {"erase": "the disk erases itself", "write": "overwriting", "read-back": "reading back"}


@dataclass(frozen=True)
class Found:
    """A disk, all that speaks against wiping it, and what it offers to erase itself."""

    disk: Disk
    objections: tuple[Objection, ...]
    offer: Offer


@dataclass(frozen=True)
class Chosen:
    """A disk that is to be wiped, and by which techniques in turn before it is overwritten, in words."""

    meant: Meant
    disk: Disk
    techniques: tuple[str, ...]
    why_no_more: str


def survey(own: Collection[Path], media: Collection[str] = (), there: Iterable[Disk] | None = None) -> list[Found]:
    """Every disk, as if all of them were meant; changes nothing."""
    all_disks = list(_there() if there is None else there)
    rules = Rules(planned=[disk.identity for disk in all_disks], own=own, media=media)
    return [Found(disk, tuple(objections(disk, all_disks, rules)), _offer(disk)) for disk in all_disks]


def choose(words: Sequence[str], rules: Rules, order: Order) -> list[Chosen]:
    """The disks named, by serial number or as /dev/NAME=SERIAL; changes nothing.

    Raises PermissionDeniedError, InputError for one named twice, RefusedError with all that speaks against any of them.
    """
    must_be_root()
    found = list(_there())
    chosen, against, signed = [], list[str](), list[Objection]()
    for word in words:
        name, serial = _named(word)
        try:
            disk = find(Meant(serial, name=name), found)
            offer = _offer(disk)
            techniques = method.choose(order.method, offer)
        except Refused as refused:
            against.append(str(refused))
            continue
        objected = _patiently(disk, found, rules)
        against += [f"{serial} ({disk.name}): {one.why}" for one in objected]
        signed += objected
        words_of = tuple(technique.words for technique in techniques)
        chosen.append(Chosen(Meant.seen(disk), disk, words_of, offer.missing))
    if len({one.meant.identity for one in chosen}) != len(chosen):
        raise InputError("a disk is named twice", next_move="Name each once.")
    if against:
        names = lifted_by(signed) if len(signed) == len(against) else ""
        more = f" To have it wiped all the same, add {names}." if names else ""
        raise RefusedError(
            "nothing is wiped",
            why="; ".join(against),
            next_move=f"See rebox reset list; free the disk, or name another.{more}",
        )
    return chosen


def lifted_by(objections: Iterable[Objection]) -> str:
    """The options by which all objections are lifted, where every one is a signature; else ""."""
    names = [one.signature for one in objections]
    return " ".join(f"--signature {name}" for name in dict.fromkeys(names)) if all(names) else ""


def _patiently(disk: Disk, found: Sequence[Disk], rules: Rules) -> list[Objection]:
    return objections(disk, found, rules, patience_seconds=PATIENCE_SECONDS)


def planned(words: Sequence[str]) -> tuple[str, ...]:
    """The serial numbers among what was typed."""
    return tuple(_named(word)[1] for word in words)


def must_be_root() -> None:
    """Raises PermissionDeniedError: without that right nobody sees what other people's programs use."""
    if os.geteuid() != 0:
        raise PermissionDeniedError(
            "wiping disks is for root only",
            why="others are shown neither the disks nor which programs use them",
            next_move="Run the same command with sudo.",
        )


@dataclass(frozen=True)
class Wiping:
    """How the chosen disks are wiped, and who is told: `keep` of each disk as it ends, also when it was cut off."""

    rules: Rules
    order: Order
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    tool_version: str
    operator: str
    keep: Callable[[Erasure], None]

    def wipe(self, chosen: Sequence[Chosen], progress: Progress) -> list[Erasure]:
        """One after the other; one that fails does not keep the others from it. Raises RefusedError before any."""
        ended: list[Erasure] = []
        for number, one in enumerate(chosen):

            def step(fraction: float, phase: str, number: int = number) -> None:
                progress((number + fraction) / len(chosen), phase)

            ended.append(self._one(one, step, first=number == 0))
        return ended

    def _one(self, chosen: Chosen, progress: Progress, *, first: bool) -> Erasure:
        erased = Erased(chosen.disk)
        try:
            with opened(chosen.meant, self.rules, _there) as (_, device):
                erase(erased, device, self.order, _phases(chosen, progress), self.sleep)
        except (Refused, Failed) as refused:
            if isinstance(refused, Refused) and first:
                raise RefusedError(
                    "nothing is wiped", why=words_of(refused), next_move="Look again: rebox reset list."
                ) from None
            erased.result, erased.reason = "failed", str(refused)
        except BaseException:
            self.keep(self._told(erased))
            raise
        told = self._told(erased)
        self.keep(told)
        return told

    def _told(self, erased: Erased) -> Erasure:
        return erasure_of(erased.as_json(), finished=self.now(), tool_version=self.tool_version, operator=self.operator)


def _phases(chosen: Chosen, progress: Progress) -> Callable[[str], Callable[[float], None]]:
    serial = chosen.meant.identity

    def phases(phase: str) -> Callable[[float], None]:
        begin, end = _HALVES[phase]
        begin = 0.0 if phase == "write" and not chosen.techniques else begin
        return lambda fraction: progress(begin + (end - begin) * fraction, f"{serial}: {_WORDS[phase]}")

    return phases


def _there() -> Iterable[Disk]:
    return disks(loops=True)


def _named(word: str) -> tuple[str, str]:
    """Name and serial number: /dev/sdb=S1 names both, so that a name that has moved is noticed."""
    device, equals, serial = word.partition("=")
    if equals and device.startswith("/dev/"):
        return device.removeprefix("/dev/").replace("/", "!"), serial
    return "", word


def _offer(disk: Disk) -> Offer:
    try:
        descriptor = os.open(disk.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return Offer(missing=f"it cannot be asked: {error.strerror}")
    try:
        return method.offered(disk, descriptor)
    finally:
        os.close(descriptor)
