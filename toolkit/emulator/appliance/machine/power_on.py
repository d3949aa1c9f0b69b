"""Power-on of a box that is a machine: data disk, seed at the first time, port, and then the box itself."""

import contextlib
import json
import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any

from toolkit.emulator.appliance.machine.block_devices import block_devices, label
from toolkit.emulator.appliance.machine.data_disk import SEED_LABEL, data_disk, labelled, mount, unmount
from toolkit.model.errors import InputError, ReboxError

DATA = Path("/var/lib/rebox")
DATA_SERIAL = "rebox-data"
"""The serial number of the data disk when the seed names no other."""

_SEED = Path("/run/rebox/seed")
_PORT_SECONDS_MAX = 30.0
_ORDER_BYTES_MAX = 1 << 20


def prepare(console: Path) -> Path:
    """The folder that is the box's disk, made at the first power-on; raises InputError, ReboxError."""
    order, keys = _read_seed()
    devices = list(block_devices())
    mount(data_disk(devices, str(order.pop("data_disk_serial", DATA_SERIAL))).path, DATA, "ext4")
    box = DATA / "box"
    ssh = DATA / "ssh"
    ssh.mkdir(mode=0o700, exist_ok=True)
    if keys is not None and not (ssh / "authorized_keys").exists():
        (ssh / "authorized_keys").write_bytes(keys)
    _tell_systemd("READY=1")
    if not (box / "factory.json").exists():
        _make(box, order)
    return box


def _make(box: Path, order: dict[str, Any]) -> None:
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
    name, mac = port(order.pop("mac", None))
    manufacture(box, read_factory({**order, "interface": name, "mac": mac}))


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


def port(mac: str | None, system: Path = Path("/sys"), seconds_max: float = _PORT_SECONDS_MAX) -> tuple[str, str]:
    """Name and MAC of the network port: the one with this MAC, or the only one there is; waits for its driver."""
    deadline = time.monotonic() + seconds_max
    while True:
        ports = {
            folder.name: (folder / "address").read_text(encoding="ascii").strip()
            for folder in sorted((system / "class" / "net").iterdir())
            if (folder / "device").exists()
        }
        chosen = {name: address for name, address in ports.items() if mac is None or address == mac.lower()}
        if len(chosen) == 1:
            return next(iter(chosen.items()))
        if time.monotonic() > deadline or (mac is None and len(chosen) > 1):
            break
        time.sleep(0.05)
    there = ", ".join(f"{name} {address}" for name, address in ports.items()) or "none"
    raise InputError(
        f"no network port has the MAC {mac}" if mac else "which network port is the box's cannot be told",
        where=f"ports: {there}",
        next_move="Write the port's MAC into the seed as `mac`.",
    )


def _tell_systemd(words: str) -> None:
    """sd_notify(3), when systemd asked for it."""
    place = os.environ.get("NOTIFY_SOCKET")
    if place:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messages:
            messages.sendto(words.encode(), "\0" + place[1:] if place.startswith("@") else place)


def say(console: Path, error: ReboxError) -> None:
    """An error on the console, for whoever stands before the machine."""
    with console.open("w", encoding="utf-8") as screen:
        screen.write(f"error: {error}\n")
