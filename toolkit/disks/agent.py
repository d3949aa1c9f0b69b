"""Does to the sticks of another machine what it is told over a connection; it brings its own code and leaves nothing.

It is sent over SSH to a Python that has nothing but its own library, and ends with the connection: what was mounted for
it is then unmounted by the kernel.
"""

import dataclasses
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from toolkit.disks import facts
from toolkit.disks.frames import Alive, Frames, Interrupted, Lost
from toolkit.disks.opening import open_volume
from toolkit.disks.refusal import Failed, Refused
from toolkit.disks.volumes import FileSystem, Volume, find

READY = {"ready": 1}
"""What it says first: the version of what it understands."""


class Agent:
    """One connection; one volume is open at a time."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._open = ExitStack()
        self._volume: Volume | None = None
        self._does: dict[str, Callable[[dict[str, Any]], Any]] = {
            "disks": lambda _: [_described(disk) for disk in facts.disks()],
            "find": lambda asked: _file_system(find(Path(str(asked["path"])))),
            "open": self._open_volume,
            "close": lambda _: self._close(),
            "names": lambda _: list(self._there.names()),
            "free": lambda _: self._there.free_bytes(),
            "remove": lambda asked: self._there.remove(str(asked["name"])),
            "write": self._write,
            "read": self._read,
        }

    def serve(self) -> None:
        """Answers until the connection ends; what is open is closed then."""
        self._frames.tell(READY)
        with suppress(Lost), self._open:
            while True:
                self._frames.tell(self._answer(self._frames.hear()))

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            with Alive(self._frames):
                return {"done": self._does[str(asked.get("do"))](asked)}
        except (Refused, Failed) as error:
            return {"error": type(error).__name__, "why": str(error)}
        except OSError as error:
            return {"error": "Failed", "why": error.strerror or str(error)}
        except (KeyError, TypeError, ValueError):
            return {"error": "Refused", "why": "it does not understand what it was asked"}

    @property
    def _there(self) -> Volume:
        if self._volume is None:
            raise Refused("no volume is open")
        return self._volume

    def _open_volume(self, asked: dict[str, Any]) -> None:
        self._close()
        fields = asked["file_system"]
        where = FileSystem(**{**fields, "path": Path(fields["path"])})
        self._volume = self._open.enter_context(open_volume(where, writing=bool(asked["writing"])))

    def _close(self) -> None:
        self._volume = None
        self._open.close()

    def _write(self, asked: dict[str, Any]) -> None:
        pieces = self._frames.take()
        try:
            self._there.write(str(asked["name"]), pieces)
        except (Interrupted, Lost):
            raise
        except (Refused, Failed, OSError):
            # the other side is still sending; it hears why once it has ended
            self._frames.drain(pieces)
            raise

    def _read(self, asked: dict[str, Any]) -> None:
        self._frames.give(self._there.read(str(asked["name"])))


def _described(disk: facts.Disk) -> dict[str, Any]:
    return {**dataclasses.asdict(disk), "path": str(disk.path)}


def _file_system(found: FileSystem | None) -> dict[str, Any] | None:
    return None if found is None else {**dataclasses.asdict(found), "path": str(found.path)}


def main() -> None:
    """Serves on standard input and output, which nobody else then writes to."""
    frames = Frames(sys.stdin.buffer, sys.stdout.buffer)
    sys.stdout = sys.stderr
    Agent(frames).serve()


if __name__ == "__main__":
    main()
