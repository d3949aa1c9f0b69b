"""From where a watch looks: this machine, or another one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from toolkit.probes.watch.handle import Watch
from toolkit.probes.watch.request import WatchRequest


class VantagePoint(Protocol):
    """A place from which the site is watched. What it sees comes to a folder of ours, wherever it is."""

    @property
    def name(self) -> str:
        """As people call it; empty for this machine."""
        ...

    def start(self, request: WatchRequest, directory: Path) -> Watch:
        """Starts a watch there, as `Watch.start` does; raises what that raises, UnreachableError, RefusedError."""
        ...


@dataclass(frozen=True)
class LocalVantagePoint:
    """This machine, or one whose namespaces a command enters (`prefix`): a lab's host."""

    name: str = ""
    prefix: Sequence[str] = ()

    def start(self, request: WatchRequest, directory: Path) -> Watch:
        """As the protocol says."""
        return Watch.start(request, directory, prefix=self.prefix)
