"""Power-on of a box that is a machine: data disk, seed at the first time, port, and then the box itself."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from toolkit.emulator.appliance.disk import Disk
from toolkit.emulator.appliance.machine.block_devices import block_devices, label
from toolkit.emulator.appliance.machine.data_disk import (
    DATA_LABEL,
    SEED_LABEL,
    labelled,
    mount,
    new_data_disk,
    unmount,
)  # fmt: skip
from toolkit.model.errors import InputError, ReboxError

DATA = Path("/var/lib/rebox")
DATA_SERIAL = "rebox-data"
"""The serial number of the data disk when the seed names no other."""

_SEED = Path("/run/rebox/seed")
_SECONDS_MAX = 30.0
_ORDER_BYTES_MAX = 1 << 20
_Found = TypeVar("_Found")


def prepare(go_on: Callable[[], None]) -> Path:
    """The folder that is the box's disk, made at the first power-on; raises InputError, ReboxError.

    `go_on` lets the machine load its other drivers; it is called when a disk or the port is not there yet.
    """
    order, keys = _read_seed()
    known = _until(lambda: labelled(list(block_devices()), DATA_LABEL), go_on, 0 if order else _SECONDS_MAX)
    if known is None:
        if not order:
            order, keys = _until(_read_seed, go_on, _SECONDS_MAX, enough=lambda found: bool(found[0]))
        serial = str(order.get("data_disk_serial", DATA_SERIAL))
        _until(lambda: any(one.serial == serial for one in block_devices()), go_on, _SECONDS_MAX)
        known = new_data_disk(list(block_devices()), serial)
    mount(known.path, DATA, "ext4")
    box, ssh = DATA / "box", DATA / "ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    if keys is not None and not (ssh / "authorized_keys").exists():
        Disk(box).write(ssh / "authorized_keys", keys)
    if not (box / "factory.json").exists():
        _make(box, order, go_on)
    return box


def _make(box: Path, order: dict[str, Any], go_on: Callable[[], None]) -> None:
    # imported here: only the first power-on needs it
    from toolkit.emulator.appliance.factory import manufacture, read_factory  # noqa: PLC0415

    if not order:
        raise InputError(
            "this box is new, and no seed tells who it is",
            where=f"label {SEED_LABEL}",
            next_move="Attach a disk or USB stick with this label and order.json on it, and start the box again.",
        )
    # without its plate it was never finished: the power went while it was made
    shutil.rmtree(box, ignore_errors=True)
    wanted = order.get("mac")
    name, mac = _until(lambda: port(wanted), go_on, _SECONDS_MAX) or _no_port(wanted)
    fields = {name: value for name, value in order.items() if name != "data_disk_serial"}
    manufacture(box, read_factory({**fields, "interface": name, "mac": mac}))


def _read_seed() -> tuple[dict[str, Any], bytes | None]:
    """The order and the SSH keys on the seed; nothing when there is no seed."""
    device = labelled(list(block_devices()), SEED_LABEL)
    if device is None:
        return {}, None
    kind = (label(device.path) or ("vfat", ""))[0]
    mount(device.path, _SEED, kind, read_only=True)
    try:
        keys = _SEED / "authorized_keys"
        return read_order(_SEED / "order.json"), keys.read_bytes() if keys.exists() else None
    finally:
        unmount(_SEED)


def read_order(path: Path) -> dict[str, Any]:
    """The seed's order; raises InputError, which never repeats what stands in it."""
    try:
        with path.open("rb") as file:
            order = json.loads(file.read(_ORDER_BYTES_MAX))
    except OSError as error:
        raise InputError("the seed holds no order", where=path.name, why=error.strerror or "") from None
    except ValueError:
        raise InputError("the seed's order is not JSON", where=path.name, next_move="Write the seed anew.") from None
    if not isinstance(order, dict):
        raise InputError("the seed's order is not a JSON object", where=path.name, next_move="Write the seed anew.")
    return order


def port(mac: str | None, system: Path = Path("/sys")) -> tuple[str, str] | None:
    """Name and MAC of the network port: the one with this MAC, or the only one there is; None: not (yet) to be told."""
    ports = _ports(system)
    chosen = [(name, address) for name, address in ports.items() if mac is None or address == mac.lower()]
    return chosen[0] if len(chosen) == 1 else None


def _ports(system: Path = Path("/sys")) -> dict[str, str]:
    return {
        folder.name: (folder / "address").read_text(encoding="ascii").strip()
        for folder in sorted((system / "class" / "net").iterdir())
        if (folder / "device").exists()
    }


def _no_port(mac: str | None) -> NoReturn:
    there = ", ".join(f"{name} {address}" for name, address in _ports().items()) or "none"
    raise InputError(
        f"no network port has the MAC {mac}" if mac else "which network port is the box's cannot be told",
        where=f"ports: {there}",
        next_move="Write the port's MAC into the seed as `mac`.",
    )


def _until(
    look: Callable[[], _Found],
    go_on: Callable[[], None],
    seconds_max: float,
    enough: Callable[[_Found], bool] = bool,
) -> _Found:
    """What is found at once, or within so many seconds while the machine loads drivers; else what was found last."""
    found = look()
    if enough(found) or not seconds_max:
        return found
    go_on()
    deadline = time.monotonic() + seconds_max
    while not enough(found) and time.monotonic() < deadline:
        time.sleep(0.1)
        found = look()
    return found


def say(console: Path, error: ReboxError) -> None:
    """An error on the console, for whoever stands before the machine."""
    with console.open("w", encoding="utf-8") as screen:
        screen.write(f"error: {error}\n")
