"""A machine of a lab as a test tells of it: what happens to it, what it says, what must come true."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from toolkit.lab.console import Console
from toolkit.model.errors import VerificationError, words_of

if TYPE_CHECKING:
    from toolkit.lab.lab import Lab

_PAUSE_SECONDS = 0.1


class MachineHandle:
    """One machine of a running lab."""

    def __init__(self, lab: "Lab", name: str) -> None:
        self._lab = lab
        self.name = name
        described = lab.description.machines[name]
        self.address = described.addresses[0].partition("/")[0]
        self._console = Console(lab.folder.console(name), self.address)

    @property
    def power(self) -> str:
        """`on` or `off`: whether it has power."""
        return self._lab.status().machines[self.name].power

    @property
    def console(self) -> str:
        """All that it has said on its console."""
        return self._console.text

    def crash(self) -> None:
        """Its power fails; it says nothing any more."""
        self._lab.kill(self.name)

    def start(self) -> None:
        """Gets power."""
        self._lab.power_on(self.name)

    def shut_down(self) -> None:
        """Its power button is pressed."""
        self._lab.power_off(self.name)

    def unplug(self) -> None:
        """Its network cable is pulled."""
        self._lab.link(self.name, up=False)

    def plug_in(self) -> None:
        """Its network cable is put back."""
        self._lab.link(self.name, up=True)

    def wait_for(self, what: str | Callable[[], bool], *, seconds: float = 120.0, times: int = 1) -> None:
        """Returns once its console has said `what` (a regular expression) that many times, or `what()` is true.

        Raises VerificationError with the console's end when that does not happen in time.
        """
        came_true = what if callable(what) else lambda: len(re.findall(what, self.console, flags=re.M)) >= times
        deadline = time.monotonic() + seconds
        while not came_true():
            if time.monotonic() > deadline:
                raise VerificationError(
                    f"{self.name}: {what if isinstance(what, str) else 'what was waited for'} did not come",
                    where=f"{seconds:.0f} s",
                    why=f"its console ends with: {self._console.tail}",
                )
            time.sleep(_PAUSE_SECONDS)


@contextmanager
def always(what: str, holds: Callable[[], bool], *, every_seconds: float = 0.2) -> Iterator[None]:
    """An invariant: looked at all the time in between; raises VerificationError when it did not hold once.

    What `holds` raises counts as a time when it did not. It is looked at from a thread of its own.
    """
    ended = Event()
    broken: list[str] = []
    looks = 0

    def look() -> None:
        nonlocal looks
        while not broken:
            try:
                if not holds():
                    broken.append("it was false")
            except Exception as error:  # whatever it was, the invariant was not seen to hold
                broken.append(f"{type(error).__name__}: {words_of(error)}")
            looks += 1
            if ended.wait(every_seconds):
                return

    watcher = Thread(target=look, name=f"always {what}", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
    if broken:
        raise VerificationError(f"{what} did not hold all the time", where=f"look {looks}", why=broken[0])
