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

from toolkit.disks.refusal import Refused

NOSUID, NODEV, NOEXEC, RDONLY = 0x2, 0x4, 0x8, 0x1
_NEW_MOUNT = 0x00020000
_REMOUNT, _BIND, _REC, _PRIVATE = 0x20, 0x1000, 0x4000, 0x40000

_OPEN_TREE, _MOVE_MOUNT = 428, 429  # the same on every architecture that Debian has; Linux 5.2
_TREE_CLONE, _FROM_DESCRIPTOR, _AT_FDCWD = 0x1, 0x4, -100  # linux/mount.h, linux/fcntl.h

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
        return mounts_of(f"self/task/{self._thread.native_id}")

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()

    def close(self) -> None:
        """Ends the thread, and with it what is still mounted."""
        self._calls.put(None)
        self._thread.join()


def mounts_of(process: str) -> dict[int, str]:
    """The device of every mount that a process has, by its id; none when it has ended."""
    try:
        table = Path(f"/proc/{process}/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return {int(words[0]): words[2] for words in map(str.split, table.splitlines())}


def mount(source: str, target: Path, kind: str, flags: int, data: str) -> None:
    """mount(2); raises OSError."""
    _check(_libc.mount(source.encode(), os.fsencode(target), kind.encode(), flags, data.encode()))


def restrict(target: Path, flags: int) -> None:
    """Sets the flags of a mount that is there already; raises OSError."""
    _check(_libc.mount(None, os.fsencode(target), None, _REMOUNT | _BIND | flags, None))


def unmount(target: Path) -> None:
    """umount2(2), which ends when everything was written; raises OSError."""
    _check(_libc.umount2(os.fsencode(target), 0))


def move_here(process: int, target: Path) -> None:
    """Takes a mount out of the namespace of another process, to the same place in this thread's; raises OSError.

    A program that serves a file system must not be the last one in whose namespace that is mounted: killed, it would
    wait for its own answer, and never end.
    """
    here, there = (os.open(f"/proc/{who}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC) for who in ("thread-self", process))
    tree = -1
    try:
        _check(_libc.setns(there, 0))
        try:
            tree = _libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(target), _TREE_CLONE | os.O_CLOEXEC)
            _check(min(tree, 0))
            unmount(target)
        finally:
            _check(_libc.setns(here, 0))
        _check(_libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(target), _FROM_DESCRIPTOR))
    finally:
        for descriptor in (here, there, tree):
            if descriptor >= 0:
                os.close(descriptor)


def _leave() -> None:
    _check(_libc.unshare(_NEW_MOUNT))
    _check(_libc.mount(b"none", b"/", None, _REC | _PRIVATE, None))


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
