"""A first table: which interfaces belong together can often be told, and what cannot is left for people to say."""

from collections.abc import Callable, Iterator

from toolkit.box_settings.captured import BoxSettings
from toolkit.box_settings.interface_map import InterfaceMap, MappedInterface, described, networks_of, own_addresses
from toolkit.model.box import NetworkInterface

Likeness = Callable[[NetworkInterface, NetworkInterface], bool]


def propose(old: BoxSettings, new: BoxSettings) -> InterfaceMap:
    """Each interface of the old box with at most one of the new, and the own addresses that one has now.

    Two belong together when they have one MAC, else when they are in one network, else one name, else when they are
    all that is left on both sides. What could be either of several is left open.
    """
    left, free = list(old.network.interfaces), list(new.network.interfaces)
    found: dict[str, str] = {}
    for alike in _likenesses(old, new):
        for port in list(left):
            candidates = [one for one in free if alike(port, one)]
            rivals = [one for one in left if candidates and alike(one, candidates[0])]
            if len(candidates) == 1 and len(rivals) == 1:
                found[port.name] = candidates[0].name
                left.remove(port)
                free.remove(candidates[0])
    there = {port.name: port for port in new.network.interfaces}
    return InterfaceMap(
        interface=tuple(_row(port, there.get(found.get(port.name, "")), new) for port in old.network.interfaces)
    )


def _row(old: NetworkInterface, counterpart: NetworkInterface | None, new: BoxSettings) -> MappedInterface:
    if counterpart is None:
        return MappedInterface(old=old.name, old_mac=old.mac)
    addresses = own_addresses(new, counterpart.name)
    return MappedInterface(
        old=old.name, old_mac=old.mac, new=counterpart.name, new_mac=counterpart.mac, addresses=addresses
    )


def _likenesses(old: BoxSettings, new: BoxSettings) -> Iterator[Likeness]:
    yield lambda one, other: one.mac.lower() == other.mac.lower()
    yield lambda one, other: bool(
        set(networks_of(own_addresses(old, one.name))) & set(networks_of(own_addresses(new, other.name)))
    )
    yield lambda one, other: one.name == other.name
    yield lambda one, other: True


def write_map(table: InterfaceMap, old: BoxSettings, new: BoxSettings) -> str:
    """The table as TOML, with what is known of each interface beside it; `read_interface_map` reads it back."""
    lines = [
        f"# Which interface of the old box {old.serial_number} becomes which of the new box {new.serial_number}.",
        "# Every interface of the old box has a row; one without `new` has no counterpart.",
        "# `addresses` are the new box's own. Shared addresses are moved by the swing and stand in no row.",
        "#",
        "# The new box has:",
        *(f"#   {_spoken(new, port)}" for port in new.network.interfaces),
        "",
        "# Addresses, servers, gateways and route destinations of the old box that are meant to stay behind:",
        f"leave = [{', '.join(map(_quoted, table.leave))}]",
    ]
    ports = {port.name: port for port in old.network.interfaces}
    for row in table.interface:
        lines += ["", "[[interface]]", f"# {_spoken(old, ports[row.old])}", *_fields(row)]
    return "\n".join(lines) + "\n"


def _fields(row: MappedInterface) -> Iterator[str]:
    for name in ("old", "old_mac", "new", "new_mac"):
        value = getattr(row, name)
        if value is not None:
            yield f"{name} = {_quoted(value)}"
    if row.new is None:
        yield '# new = "…"    # nothing tells which: name it, or leave this interface without a counterpart'
    elif row.addresses is not None:
        yield f"addresses = [{', '.join(map(_quoted, row.addresses))}]"


def _spoken(box: BoxSettings, port: NetworkInterface) -> str:
    addresses = ", ".join(own_addresses(box, port.name)) or "no address"
    return f"{described(port)}: {addresses}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
