"""A mount namespace that one thread of this process has for itself: nobody else sees what is mounted there.

It goes with the process however that ends, and what was mounted in it goes too.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from toolkit.disks.refusal import Failed, Refused

NOSUID, NODEV, NOEXEC, RDONLY = 0x2, 0x4, 0x8, 0x1
_NEW_MOUNT = 0x00020000
_REMOUNT, _BIND, _REC, _PRIVATE = 0x20, 0x1000, 0x4000, 0x40000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)

Returned = TypeVar("Returned")


class MountNamespace:
    """Runs calls in a thread whose mounts are its own; to be closed. Raises Refused without the right to have one."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="mount-namespace", daemon=True)
        self._thread.start()
        try:
            self.call(_leave)
        except OSError as error:
            self.close()
            raise Refused(f"a file system can be mounted by root only ({error.strerror})") from None

    def call(self, what: Callable[[], Returned]) -> Returned:
        """What `what` returns or raises, called in there."""
        result: Future[Returned] = Future()

        def work() -> None:
            try:
                result.set_result(what())
            except BaseException as error:
                result.set_exception(error)

        self._calls.put(work)
        return result.result()

    def mounts(self) -> dict[int, str]:
        """The device (`major:minor`) of every mount in there, by its id (proc(5), mountinfo)."""
        path = Path(f"/proc/self/task/{self._thread.native_id}/mountinfo")
        try:
            lines = [line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
        except OSError as error:
            raise Failed(f"the namespace of the mounts is gone: {error.strerror}") from None
        return {int(words[0]): words[2] for words in lines}

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    def close(self) -> None:
        """Ends the thread, and with it what is still mounted."""
        self._calls.put(None)
        self._thread.join()


def mount(source: str, target: Path, kind: str, flags: int, data: str) -> None:
    """mount(2); raises OSError."""
    _check(_libc.mount(source.encode(), os.fsencode(target), kind.encode(), flags, data.encode()))


def restrict(target: Path, flags: int) -> None:
    """Sets the flags of a mount that is there already; raises OSError."""
    _check(_libc.mount(None, os.fsencode(target), None, _REMOUNT | _BIND | flags, None))


def unmount(target: Path) -> None:
    """umount2(2), which ends when everything was written; raises OSError."""
    _check(_libc.umount2(os.fsencode(target), 0))


def _leave() -> None:
    _check(_libc.unshare(_NEW_MOUNT))
    _check(_libc.mount(b"none", b"/", None, _REC | _PRIVATE, None))


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
