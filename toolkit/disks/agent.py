"""Does to the sticks of another machine what it is told over a connection; it brings its own code and leaves nothing.

It is sent over SSH to a Python that has nothing but its own library, and ends with the connection: what was mounted for
it is then unmounted by the kernel.
"""

import stat
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from toolkit.disks.ejecting import let_go
from toolkit.disks.frames import Alive, Frames, Interrupted, Lost
from toolkit.disks.in_use import uses
from toolkit.disks.liveness import LiveDevice
from toolkit.disks.opening import open_volume
from toolkit.disks.plugged import Stick, of_image, plugged, with_file_system
from toolkit.disks.refusal import Failed, Refused
from toolkit.disks.volumes import FileSystem, Gone, Volume, find

READY = {"ready": 1}
"""What it says first: the version of what it understands."""


class Agent:
    """One connection. One stick is held at a time, so that no other takes its place, and its volume open or not."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._holding, self._open = ExitStack(), ExitStack()
        self._device: LiveDevice | None = None
        self._file_system: FileSystem | None = None
        self._volume: Volume | None = None
        self._does: dict[str, Callable[[dict[str, Any]], Any]] = {
            "sticks": lambda _: [with_file_system(stick).as_json() for stick in plugged()],
            "hold": lambda asked: self._hold(Path(str(asked["path"]))),
            "eject": lambda _: self._eject(),
            "open": lambda asked: self._open_volume(writing=bool(asked["writing"])),
            "close": lambda _: self._close(),
            "names": lambda _: list(self._there.names()),
            "free": lambda _: self._there.free_bytes(),
            "remove": lambda asked: self._there.remove(str(asked["name"])),
            "write": self._write,
            "read": lambda asked: self._frames.give(self._there.read(str(asked["name"]))),
        }

    def serve(self) -> None:
        """Answers until the connection ends; what is open is closed then."""
        self._frames.tell(READY)
        with suppress(Lost), self._holding, self._open:
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

    def _hold(self, path: Path) -> None:
        """From now on it is this stick and no other."""
        self._let_go()
        _stick(path)
        device = LiveDevice(path, writing=False)
        self._holding.callback(device.close)
        found = find(path)
        if found is None:
            raise Refused(f"no file system is on {path}: format it")
        self._device, self._file_system = device, found

    def _eject(self) -> dict[str, Any]:
        """The stick that is held is let go; nobody uses it meanwhile."""
        if self._device is None:
            raise Refused("no stick is held")
        stick = _stick(self._device.path)
        self._let_go()
        return asdict(let_go(stick))

    def _let_go(self) -> None:
        self._close()
        self._holding.close()
        self._device = None

    def _open_volume(self, *, writing: bool) -> None:
        self._close()
        if self._device is None or self._file_system is None:
            raise Refused("no stick is held")
        self._device.check()
        if find(self._device.path) != self._file_system:
            raise Gone(f"{self._device.path} has another file system than the one that was chosen")
        self._volume = self._open.enter_context(open_volume(self._file_system, writing=writing))
        self._device.check()

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


def _stick(path: Path) -> Stick:
    """A removable drive that nobody uses, or an image file; raises Refused for anything else."""
    if not stat.S_ISBLK(path.stat().st_mode):
        return of_image(path)
    stick = next((stick for stick in plugged() if stick.path == path), None)
    if stick is None:
        raise Refused(f"{path} is no removable drive of this machine")
    for objection in uses(path.name):
        raise Refused(f"{path} is in use: {objection.why}")
    return stick


def main() -> None:
    """Serves on standard input and output, which nobody else then writes to."""
    frames = Frames(sys.stdin.buffer, sys.stdout.buffer)
    sys.stdout = sys.stderr
    Agent(frames).serve()


if __name__ == "__main__":
    main()
