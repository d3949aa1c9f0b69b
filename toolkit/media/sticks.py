"""Which sticks are plugged in, and what comes and goes: by udev where its daemon runs, by the kernel where not.

udev is asked which drives there are and told of by whom; what it remembers of them fills gaps only. What is on a stick
is read from the stick itself, each time.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pyudev

from toolkit.disks.plugged import Stick, of_device, with_file_system
from toolkit.disks.refusal import Refused
from toolkit.disks.volumes import KINDS, FileSystem
from toolkit.model.errors import UnknownStateError, words_of

_DAEMON = Path("/run/udev/control")
_GAPS = {"vendor": ("ID_VENDOR",), "model": ("ID_MODEL",), "serial": ("ID_SERIAL_SHORT",), "port": ("ID_PATH",)}


@dataclass(frozen=True)
class Event:
    """A stick that came, went, or has another medium or file system in it."""

    what: Literal["plugged", "unplugged", "changed"]
    stick: Stick


def sticks() -> tuple[Stick, ...]:
    """Every removable drive with a medium in it, by its device's name; raises UnknownStateError."""
    try:
        devices = [*pyudev.Context().list_devices(subsystem="block", DEVTYPE="disk")]
    except (OSError, ImportError) as error:
        raise UnknownStateError(
            "it cannot be told what is plugged in",
            where="/sys",
            why=words_of(error),
            next_move="Look whether it is mounted, and run make setup-media.",
        ) from None
    found = (_stick(device) for device in devices)
    return tuple(sorted((stick for stick in found if stick is not None), key=lambda stick: stick.path.name))


def watch(*, seconds: float | None = None) -> Iterator[Event]:
    """First what is there, then what happens; ends when nothing happened for `seconds`, without them never.

    Events are asked for before the first look, so that none is lost between the two.
    """
    monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source="udev" if _DAEMON.exists() else "kernel")
    monitor.filter_by("block")
    monitor.start()
    known: dict[str, Stick] = {}
    for stick in sticks():
        known[stick.path.name] = stick
        yield Event("plugged", stick)
    for device in iter(lambda: monitor.poll(timeout=seconds), None):
        if device.device_type in {"disk", "partition"}:
            gone = device.action == "remove" and device.device_type == "disk"
            yield from _happened(_disk(device), known, gone=gone)


def _happened(name: str, known: dict[str, Stick], *, gone: bool) -> Iterator[Event]:
    """What is so now, however many events were told of it; a medium that was taken out is a stick that has gone."""
    before, now = known.get(name), None
    if not gone:
        with suppress(pyudev.DeviceNotFoundError):
            now = _stick(pyudev.Devices.from_name(pyudev.Context(), "block", name))
    if now == before:
        return
    if now is not None:
        known[name] = now
        yield Event("changed" if before else "plugged", now)
    elif before is not None:
        del known[name]
        yield Event("unplugged", before)


def _disk(device: Any) -> str:
    """The name of the drive that an event is about, which may be about a part of it."""
    name = str(device.sys_name)
    above = Path(device.device_path).parent.name if device.device_type == "partition" else name
    return above.replace("!", "/")


def _stick(device: Any) -> Stick | None:
    """None for what is not removable, or has no medium in it, or has gone meanwhile."""
    name = str(device.sys_name)
    try:
        stick = of_device(name)
    except (Refused, OSError):
        return None
    if not stick.removable or not stick.size_bytes:
        return None
    told = {key: str(value) for key, value in device.properties.items()}
    gaps = {
        field: next((told[key] for key in keys if told.get(key)), "")
        for field, keys in _GAPS.items()
        if not getattr(stick, field)
    }
    stick = with_file_system(replace(stick, **gaps))  # type: ignore[arg-type]  # texts, all of them
    return replace(stick, file_system=_told(stick, told)) if stick.trouble else stick


def _told(stick: Stick, told: dict[str, str]) -> FileSystem | None:
    """What udev has read, for who may not read the drive; it is good for showing, nothing is written by it."""
    if told.get("ID_FS_TYPE") not in KINDS:
        return None
    return FileSystem(
        stick.path, told["ID_FS_TYPE"], told.get("ID_FS_UUID", ""), told.get("ID_FS_LABEL", ""), stick.size_bytes
    )
