"""Whether a host runs guests under KVM: only what has really run one within a time limit counts.

Some hosts have a KVM that answers every question and hangs every guest, for ever, at its first instructions.
"""

import platform
import secrets
import threading
import time
import urllib.parse
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from toolkit.model.errors import ReboxError
from toolkit.provision.virtual.connection import HostFacts, Hypervisor, destroy, start_transient
from toolkit.provision.virtual.domain import Acceleration, check_guest
from toolkit.provision.virtual.libvirt_errors import LostConnectionError
from toolkit.storage.whole_file import write_whole

SECONDS_MAX = 20.0
"""A guest that powers off at once takes about 1 s under KVM, 3 s under software emulation."""

_REMEMBERED = timedelta(days=1)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SAID_LAST = b"Power down"
"""The kernel's last words, after the guest's one program has run."""


class Answer(BaseModel):
    """What a host's trial came to, and under what circumstances: under others it is made again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    circumstances: str
    acceleration: Acceleration
    why: str
    tried: AwareDatetime


@dataclass(frozen=True)
class Memory:
    """Answers by host, one file each."""

    folder: Path
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def recall(self, host: HostFacts, circumstances: str) -> Answer | None:
        """The answer, unless something has changed or a day has passed (another host's kernel is not told to us)."""
        try:
            answer = Answer.model_validate_json(self._file(host).read_bytes())
        except (OSError, ValidationError):
            return None
        fresh = timedelta() <= self.now() - answer.tried < _REMEMBERED
        return answer if fresh and answer.circumstances == circumstances else None

    def keep(self, host: HostFacts, answer: Answer) -> None:
        """Remembers it; raises StorageError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._file(host), answer.model_dump_json(indent=1).encode())

    def _file(self, host: HostFacts) -> Path:
        return self.folder / f"{urllib.parse.quote(host.uuid, safe='')}.json"


def find_acceleration(
    host: Hypervisor, memory: Memory, kernel: str, initrd: str, *, seconds_max: float = SECONDS_MAX
) -> Answer:
    """How guests are to be run on that host; tries it unless it is known. `kernel` and `initrd` are paths there."""
    facts = host.facts()
    circumstances = _circumstances(host, facts)
    known = memory.recall(facts, circumstances)
    if known is not None:
        return known
    acceleration: Acceleration = "qemu"
    why = "the host offers no KVM"
    has_run = True
    if facts.offers_kvm:
        try:
            why = run_to_its_end(host, check_guest(f"rebox-check-{secrets.token_hex(4)}", kernel, initrd), seconds_max)
            acceleration = "qemu" if why else "kvm"
        except LostConnectionError:
            raise
        except ReboxError as error:
            why, has_run = error.why, False
    answer = Answer(
        circumstances=circumstances,
        acceleration=acceleration,
        why=why or "a guest ran under KVM to its end",
        tried=memory.now(),
    )
    if has_run:
        # that a guest could not be started may have other reasons than KVM, which may be mended in a minute
        memory.keep(facts, answer)
    return answer


def _circumstances(host: Hypervisor, facts: HostFacts) -> str:
    words = [f"libvirt {facts.libvirt_version}", f"QEMU {facts.qemu_version}", f"KVM {facts.offers_kvm}"]
    if host.is_local:
        words += [platform.release(), _BOOT_ID.read_text(encoding="ascii").strip()]
    return ", ".join(words)


def run_to_its_end(host: Hypervisor, xml: str, seconds_max: float) -> str:
    """Runs a guest that is to power off by itself, and leaves nothing of it; returns why it did not, or nothing.

    Raises ReboxError when it cannot be started.
    """
    began = time.monotonic()
    with host.asked("a guest cannot be started") as connection:
        guest = start_transient(connection, xml)
        try:
            said = _listen(host, connection, guest, seconds_max)
        finally:
            destroy(guest)
    if _SAID_LAST in said:
        return ""
    if time.monotonic() - began >= seconds_max:
        return f"a guest hung: it did not end within {seconds_max:.0f} s"
    return "a guest ended before it was done"


def _listen(host: Hypervisor, connection: Any, guest: Any, seconds_max: float) -> bytes:
    """What the guest says on its serial port until it is off, or time is up; lets it run once somebody listens."""
    stream = connection.newStream()
    guest.openConsole(None, stream, 0)
    said = bytearray()

    def drain() -> None:
        # the stream ends with the guest, or with an error when it is switched off
        with suppress(ReboxError), host.asked("the guest cannot be heard"):
            while piece := stream.recv(4096):
                said.extend(piece)

    listener = threading.Thread(target=drain, daemon=True)
    listener.start()
    guest.resume()
    listener.join(seconds_max)
    if listener.is_alive():
        destroy(guest)
        listener.join(seconds_max)
    with suppress(ReboxError), host.asked("the guest cannot be heard"):
        stream.abort()
    return bytes(said)
