"""A new box as a virtual machine: made unless it is there, adopted if it is the same, refused if it is not."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from toolkit.model.errors import ReboxError, RefusedError, UnreachableError
from toolkit.model.execution import Progress
from toolkit.provision.lock import held
from toolkit.provision.virtual.acceleration import Memory, find_acceleration
from toolkit.provision.virtual.connection import Hypervisor, connect, destroy, domain_xml
from toolkit.provision.virtual.console import Console, hear
from toolkit.provision.virtual.domain import acceleration_of
from toolkit.provision.virtual.host_check import Finding, check_host, refuse_unless_fit
from toolkit.provision.virtual.image_volumes import provide_image
from toolkit.provision.virtual.libvirt_errors import LostConnectionError
from toolkit.provision.virtual.making import console_volume, find_pool, make_machine, new_mark
from toolkit.provision.virtual.mark import Mark, here, read_mark
from toolkit.provision.virtual.preparation import Preparation
from toolkit.provision.virtual.removing import Checkpoint, Removal
from toolkit.provision.virtual.spec import MachineSpec, differences

_LOOK_SECONDS = 0.5
_RECONNECT_SECONDS_MAX = 60.0
_ATTEMPTS = 3


@dataclass(frozen=True)
class _There:
    """A virtual machine of the right name on the host; `mark` is None when it is not ours."""

    domain: Any
    mark: Mark | None
    acceleration: str


class VirtualMachine:
    """One virtual machine on one libvirt host; a `Provisioner`.

    `address` is the one whose certificate the box announces. `maker` says for which inventory or run it is made: what
    another has made is adopted, and never deleted by `withdraw`. `checkpoint` is told of every stage.
    """

    def __init__(
        self,
        uri: str,
        name: str,
        *,
        serial_number: str,
        address: str,
        boot_seconds_max: float,
        prepare: Callable[[], Preparation],
        state: Path,
        maker: Callable[[], str],
        checkpoint: Checkpoint = lambda _stage: None,
    ) -> None:
        self._uri = uri
        self.name = name
        self._serial_number = serial_number
        self._address = address
        self._boot_seconds_max = boot_seconds_max
        self._prepare = prepare
        self._state = state / "virtual"
        self._maker = maker
        self._checkpoint = checkpoint
        self._announced: str | None = None
        self.acceleration = ""
        self._why = ""

    def check(self) -> list[Finding]:
        """What the host says to this machine, or that it is there already; changes nothing."""
        prepared = self._prepare()
        with connect(self._uri) as host:
            there = self._look(host)
            if there is not None and there.mark is not None and there.mark.state == "made":
                differing = differences(there.mark.spec, prepared.spec)
                summary = f"the virtual machine {self.name} was made by rebox already"
                return [Finding("name", not differing, "; ".join([summary, *differing]))]
            findings = check_host(host, prepared.spec, prepared.manifest)
            if there is not None and there.mark is not None:
                half = Finding("name", self._is_ours(there.mark), f"{self.name} is half made by {there.mark.maker}")
                findings = [half if finding.subject == "name" else finding for finding in findings]
            return findings

    def is_provided(self) -> bool:
        """Whether it is there, ours, complete and running."""
        with connect(self._uri) as host:
            there = self._look(host)
            if there is None or there.mark is None or there.mark.state != "made":
                return False
            with host.asked(f"the virtual machine {self.name} cannot be looked at"):
                return bool(there.domain.isActive())

    def provide(self, progress: Progress) -> None:
        """Makes it, starts it, and waits until it has said which certificate it serves.

        When libvirt goes away in the middle it waits for it to come back, and goes on: every stage looks first. Raises
        RefusedError when another machine has the name, or the host cannot take it; UnreachableError with the end of the
        console when the box never comes up; ReboxError. What is half made is then gone again.
        """
        prepared = self._prepare()
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                with self._alone(), connect(self._uri) as host:
                    self._provide(host, prepared, progress)
            except LostConnectionError:
                if not attempts_left:
                    raise
                progress(0.0, "waiting for libvirt to come back")
                _wait_for_libvirt(self._uri)
            else:
                return

    def announced_tls_sha256(self) -> str | None:
        """What it said on its console when it was provided."""
        return self._announced

    def how(self) -> str:
        """How it is run, in one sentence; empty until it was provided."""
        if not self.acceleration:
            return ""
        way = "KVM" if self.acceleration == "kvm" else "software emulation"
        because = f" ({self._why})" if self._why else ""
        return f"The virtual machine {self.name} on {self._uri} runs under {way}{because}."

    def withdraw(self) -> bool:
        """Deletes it with its disks if it was made by `maker`; one that was there before is only switched off.

        True: there is none any more, nor anything that was on it.
        """
        with self._alone(), connect(self._uri) as host:
            self._removal.finish(host)
            there = self._look(host)
            if there is None:
                return True
            if there.mark is None or there.mark.spec.serial_number != self._serial_number:
                return False
            if there.mark.maker == self._maker():
                self._removal.carry_out(host, there.domain, there.mark, self._checkpoint)
                return True
            with host.asked(f"the virtual machine {self.name} cannot be switched off"):
                destroy(there.domain)
            return False

    def remove(self) -> bool:
        """Deletes it with its disks, whoever made it with rebox; False: there is none. RefusedError: it is not ours."""
        with self._alone(), connect(self._uri) as host:
            finished = self._removal.finish(host) is not None
            there = self._look(host)
            if there is None:
                return finished
            if there.mark is None or there.mark.spec.serial_number != self._serial_number:
                raise self._taken()
            self._removal.carry_out(host, there.domain, there.mark, self._checkpoint)
            return True

    @property
    def _lock(self) -> Path:
        return self._state / f"{self._here}.lock"

    @property
    def _here(self) -> str:
        return f"{self.name}-{sha256(self._uri.encode()).hexdigest()[:16]}"

    @property
    def _removal(self) -> Removal:
        return Removal(self._state / f"{self._here}.removal.json")

    def _alone(self) -> AbstractContextManager[None]:
        """Nobody else makes or removes this machine meanwhile."""
        return held(self._lock, f"the virtual machine {self.name} is being provisioned or removed already")

    def _is_ours(self, mark: Mark) -> bool:
        """Whether a half-made machine may be cleared away, its maker's lock being the one we hold when we do."""
        return mark.lock == here(self._lock)

    def _look(self, host: Hypervisor) -> _There | None:
        domain = host.find("the virtual machine cannot be looked for", lambda one: one.lookupByName(self.name))
        if domain is None:
            return None
        with host.asked(f"the virtual machine {self.name} cannot be looked at"):
            xml, is_kept = domain_xml(domain), bool(domain.isPersistent())
        mark = read_mark(xml)
        if mark is not None and not is_kept:
            # its definition is gone already: it is being removed
            mark = mark.model_copy(update={"state": "being-made"})
        return _There(domain, mark, acceleration_of(xml))

    def _provide(self, host: Hypervisor, prepared: Preparation, progress: Progress) -> None:
        domain, mark, is_new = self._have(host, prepared, progress)
        console = Console(find_pool(host, mark.spec.pool), console_volume(mark))
        try:
            self._start(host, domain, mark, console)
        except ReboxError:
            if is_new:
                with suppress(ReboxError):
                    self._removal.carry_out(host, domain, mark)
            raise
        self._checkpoint("started")
        self._announced = hear(
            host,
            domain,
            console,
            self._address,
            seconds_max=self._boot_seconds_max,
            progress=lambda fraction, phase: progress(0.65 + 0.35 * fraction, phase),
        )

    def _have(self, host: Hypervisor, prepared: Preparation, progress: Progress) -> tuple[Any, Mark, bool]:
        """The domain, complete, and whether it was made just now."""
        self._removal.finish(host)
        there = self._look(host)
        if there is not None and there.mark is None:
            raise self._taken()
        if there is not None and there.mark is not None:
            if there.mark.state == "made":
                self._refuse_if_different(there.mark.spec, prepared.spec)
                self.acceleration = there.acceleration
                return there.domain, there.mark, False
            if not self._is_ours(there.mark):
                raise self._made_elsewhere(there.mark)
            # we hold the lock that its maker held: it was killed
            self._removal.carry_out(host, there.domain, there.mark)
        domain, mark = self._make(host, prepared, progress)
        self._checkpoint("made")
        return domain, mark, True

    def _make(self, host: Hypervisor, prepared: Preparation, progress: Progress) -> tuple[Any, Mark]:
        progress(0.0, "looking at the host")
        refuse_unless_fit(host, check_host(host, prepared.spec, prepared.manifest))
        self._checkpoint("checked")
        pool = find_pool(host, prepared.spec.pool)
        image = provide_image(
            pool, prepared.image, prepared.manifest, lambda fraction, phase: progress(0.05 + 0.45 * fraction, phase)
        )
        self._checkpoint("image")
        progress(0.5, "trying KVM")
        answer = find_acceleration(
            host, Memory(self._state / "acceleration"), pool.path(image.kernel), pool.path(image.initrd)
        )
        progress(0.6, "KVM works" if answer.acceleration == "kvm" else f"software emulation: {answer.why}")
        self.acceleration, self._why = answer.acceleration, answer.why
        mark = new_mark(prepared, self._maker(), here(self._lock))
        return make_machine(
            host,
            prepared,
            mark,
            image,
            acceleration=answer.acceleration,
            removal=self._removal,
            checkpoint=self._checkpoint,
        )

    def _start(self, host: Hypervisor, domain: Any, mark: Mark, console: Console) -> None:
        with host.asked(f"the virtual machine {self.name} cannot be started"):
            domain.setAutostart(int(mark.spec.autostart))
            if domain.isActive():
                return
            console.begin_here()
            domain.create()

    def _refuse_if_different(self, there: MachineSpec, wanted: MachineSpec) -> None:
        found = differences(there, wanted)
        if found:
            raise RefusedError(
                f"the virtual machine {self.name} is there, but it is not the one the inventory describes",
                where=self._uri,
                why="; ".join(found),
                next_move="Correct the inventory's [provision], or remove the machine: rebox provision remove "
                "INVENTORY. It was left as it is.",
            )

    def _taken(self) -> RefusedError:
        return RefusedError(
            f"another virtual machine has the name {self.name}",
            where=self._uri,
            why="it does not carry the mark of one that rebox made for this box",
            next_move="Choose another provision.name. That machine was left as it is.",
        )

    def _made_elsewhere(self, mark: Mark) -> RefusedError:
        return RefusedError(
            f"the virtual machine {self.name} is being made by somebody else, or was left half made",
            where=self._uri,
            why=f"it is marked as the work of {mark.maker}",
            next_move="Go on there. If that one is gone for good, remove what it left: rebox provision remove "
            "INVENTORY",
        )


def _wait_for_libvirt(uri: str) -> None:
    """Returns when it answers again, or its patience is over: the next attempt says what is wrong."""
    deadline = time.monotonic() + _RECONNECT_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            with connect(uri):
                return
        except UnreachableError:
            time.sleep(_LOOK_SECONDS)
