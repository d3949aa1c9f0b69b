"""Who uses the images of a machine beside it: other machines, volumes laid over them, programs on our own host."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from toolkit.provision.virtual.connection import Hypervisor
from toolkit.provision.virtual.domain_disks import active_pools, all_disks, path_of, same_file
from toolkit.provision.virtual.image_header import HeaderError
from toolkit.provision.virtual.layers import Followed


def users(host: Hypervisor, ours: Collection[str], own_uuid: str) -> dict[str, list[str]]:
    """Who uses files beside the machine `own_uuid`, in words, for each of `ours` (as `same_file` names them).

    Users are other machines, by the disks they have and what those are laid over, and volumes laid over them that are
    none of `ours` themselves. Where that cannot be seen it may be any of them.
    """
    found: dict[str, list[str]] = {}

    def add(key: str, user: str) -> None:
        if key in ours and user not in found.setdefault(key, []):
            found[key].append(user)

    with host.asked("who uses which volume cannot be looked at") as connection:
        volumes = [volume for pool in active_pools(connection) for volume in pool.listAllVolumes()]
        followed = Followed(host, volumes)
        others = [volume for volume in volumes if same_file(host, str(volume.path())) not in ours]
        for user, path, kind in (*_machines(host, connection, own_uuid), *_volumes(others)):
            try:
                for key in followed.keys(path, kind):
                    add(key, user)
            except HeaderError as error:
                for key in ours:
                    add(key, f"perhaps {user}: {error}")
    return found


def _machines(host: Hypervisor, connection: Any, own_uuid: str) -> Iterator[tuple[str, str, str]]:
    for other in connection.listAllDomains():
        if other.UUIDString() == own_uuid:
            continue
        for disk in all_disks(other):
            name = f"the virtual machine {other.name()}"
            if path := path_of(host, disk):
                yield name, path, disk.format if disk.told_below is None else "raw"
            yield from ((name, below, "raw") for below in disk.told_below or ())


def _volumes(volumes: list[Any]) -> Iterator[tuple[str, str, str]]:
    for volume in volumes:
        yield f"the volume {volume.name()}, which is laid over it", str(volume.path()), ""


def programs(path: str) -> list[str]:
    """Which programs of our own host have a file open, and which loop devices are made of it, in words.

    Others' programs are seen by root alone.
    """
    real = os.path.realpath(path)
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and process.name != str(os.getpid()) and real in _opened(process):
            found.append(f"{_comm(process)} ({process.name})")
    for loop in Path("/sys/class/block").glob("loop*/loop/backing_file"):
        if _line(loop) == real:
            found.append(f"the loop device {loop.parent.parent.name}")
    return found


def _opened(process: Path) -> set[str]:
    folder = f"{process}/fd"
    found = set()
    try:
        for one in os.listdir(folder):  # noqa: PTH208  (thousands of them)
            found.add(os.readlink(f"{folder}/{one}"))  # noqa: PTH115
    except OSError:
        return found  # it is gone, or not ours to see
    return found


def _comm(process: Path) -> str:
    return _line(process / "comm") or "a process"


def _line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return ""
