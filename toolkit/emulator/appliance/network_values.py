"""What people and programs send as network settings, looked at before anything is done: 422 `invalid_request`."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_interface, ip_network

from toolkit.emulator.appliance.refusal import invalid
from toolkit.emulator.appliance.wire import AnyInterface


def ip(text: str) -> IPv4Address | IPv6Address:
    """An address."""
    try:
        return ip_address(text)
    except ValueError:
        raise invalid(f"{text!r} is not an IP address.") from None


def with_prefix(address: str, prefix: int) -> AnyInterface:
    """An address that a box can have, with its network."""
    plain = ip(address)
    if plain.is_multicast or plain.is_unspecified or plain.is_loopback:
        raise invalid(f"{plain} cannot be an address of a box.")
    try:
        return ip_interface(f"{plain}/{prefix}")
    except ValueError:
        raise invalid(f"/{prefix} is no prefix length for {plain}.") from None


def host_name(text: str) -> str:
    """A host name, or an address where one may stand."""
    labels = text.rstrip(".").split(".")
    if len(text) > 253 or not all(
        0 < len(label) <= 63
        and label.isascii()
        and label.replace("-", "").replace(":", "").isalnum()
        and not label.startswith("-")
        for label in labels
    ):
        raise invalid(f"{text!r} is not a host name.")
    return text


def network(text: str) -> IPv4Network | IPv6Network:
    """A route's destination, with its prefix length."""
    try:
        return ip_network(text)
    except ValueError:
        raise invalid(f"{text!r} is not a network, as 10.0.0.0/8 is one.") from None
