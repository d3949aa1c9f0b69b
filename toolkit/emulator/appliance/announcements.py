"""Frames that tell a network who owns an address now: gratuitous ARP (RFC 5227) and neighbour advertisements."""

import struct
from ipaddress import IPv4Address, IPv6Address

_BROADCAST = b"\xff" * 6
_ALL_NODES = IPv6Address("ff02::1")
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ARP_REQUEST, _ARP_REPLY = 1, 2
_ETHERTYPE_ARP, _ETHERTYPE_IPV6 = 0x0806, 0x86DD
_ICMPV6 = 58
_NEIGHBOUR_ADVERTISEMENT = 136
_OVERRIDE = 0x20000000
_TARGET_LINK_LAYER_ADDRESS = 2


def announcement(address: IPv4Address | IPv6Address, mac: bytes) -> tuple[bytes, ...]:
    """The Ethernet frames of one announcement; some neighbours heed only one of the two forms of ARP."""
    if isinstance(address, IPv4Address):
        return (_arp(_ARP_REQUEST, address, mac), _arp(_ARP_REPLY, address, mac))
    return (_unsolicited_advertisement(address, mac),)


def _arp(operation: int, address: IPv4Address, mac: bytes) -> bytes:
    """Sender and target are both the address (RFC 5227 section 3)."""
    target_mac = bytes(6) if operation == _ARP_REQUEST else _BROADCAST
    ethernet = struct.pack("!6s6sH", _BROADCAST, mac, _ETHERTYPE_ARP)
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return ethernet + arp + mac + address.packed + target_mac + address.packed


def _unsolicited_advertisement(address: IPv6Address, mac: bytes) -> bytes:
    """To all nodes, overriding what they remember (RFC 4861 section 7.2.6)."""
    option = struct.pack("!BB6s", _TARGET_LINK_LAYER_ADDRESS, 1, mac)
    body = struct.pack("!I16s", _OVERRIDE, address.packed) + option
    head = struct.pack("!BB", _NEIGHBOUR_ADVERTISEMENT, 0)
    length = len(head) + 2 + len(body)
    pseudo_header = address.packed + _ALL_NODES.packed + struct.pack("!IxxxB", length, _ICMPV6)
    checksum = _internet_checksum(pseudo_header + head + b"\0\0" + body)
    ipv6 = struct.pack("!IHBB16s16s", 6 << 28, length, _ICMPV6, 255, address.packed, _ALL_NODES.packed)
    ethernet = struct.pack("!6s6sH", _ALL_NODES_MAC, mac, _ETHERTYPE_IPV6)
    return ethernet + ipv6 + head + struct.pack("!H", checksum) + body


def _internet_checksum(data: bytes) -> int:
    """RFC 1071; `data` has an even length."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
