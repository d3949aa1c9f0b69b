"""ARP and neighbour-discovery frames, built and read with scapy (RFC 826, 5227, 4861, 4862)."""

import ipaddress
import logging
from dataclasses import dataclass

# scapy warns on this logger about interfaces it does not like; they are none of our business
logging.getLogger("scapy.runtime").setLevel(logging.CRITICAL)

from scapy.layers.inet6 import (  # noqa: E402 - the logger comes first
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
)
from scapy.layers.l2 import ARP, Ether  # noqa: E402

from toolkit.probes.sockets import Address  # noqa: E402

BROADCAST = "ff:ff:ff:ff:ff:ff"
_ALL_NODES = "ff02::1"
_REQUEST, _REPLY = 1, 2


@dataclass(frozen=True)
class Claim:
    """Somebody says that an address is at a MAC, or probes whether it may take it (`probing`)."""

    address: str
    mac: str
    probing: bool = False


def arp_request(mac: str, source: str, target: str) -> bytes:
    """Who has `target`? With source 0.0.0.0 it is an RFC 5227 probe and updates nobody's table."""
    return bytes(
        Ether(src=mac, dst=BROADCAST) / ARP(op=_REQUEST, hwsrc=mac, psrc=source, hwdst="00:00:00:00:00:00", pdst=target)
    )


def arp_announcements(sender: str, mac: str, address: str) -> tuple[bytes, bytes]:
    """Gratuitous ARP as request and as reply: some gateways take the one, some only the other."""
    ether = Ether(src=sender, dst=BROADCAST)
    return (
        bytes(ether / ARP(op=_REQUEST, hwsrc=mac, psrc=address, hwdst="00:00:00:00:00:00", pdst=address)),
        bytes(ether / ARP(op=_REPLY, hwsrc=mac, psrc=address, hwdst=BROADCAST, pdst=address)),
    )


def solicited_node(address: str) -> tuple[str, str]:
    """The multicast address and MAC on which the owner of an IPv6 address listens (RFC 4291, 2.7.1)."""
    last = int(ipaddress.IPv6Address(address)) & 0xFFFFFF
    group = ipaddress.IPv6Address(int(ipaddress.IPv6Address("ff02::1:ff00:0")) | last)
    return str(group), multicast_mac(group)


def multicast_mac(group: ipaddress.IPv6Address) -> str:
    """The Ethernet address of an IPv6 multicast group (RFC 2464, 7)."""
    return (b"\x33\x33" + group.packed[12:]).hex(":")


def neighbour_solicitation(mac: str, source: str, target: str) -> bytes:
    """Who has `target`? With source :: it is duplicate address detection and carries no MAC."""
    group, group_mac = solicited_node(target)
    packet = Ether(src=mac, dst=group_mac) / IPv6(src=source, dst=group, hlim=255) / ICMPv6ND_NS(tgt=target)
    if source != "::":
        packet /= ICMPv6NDOptSrcLLAddr(lladdr=mac)
    return bytes(packet)


def neighbour_advertisement(sender: str, mac: str, address: str) -> bytes:
    """An unsolicited advertisement with the override flag: every cache entry for `address` is replaced."""
    return bytes(
        Ether(src=sender, dst=multicast_mac(ipaddress.IPv6Address(_ALL_NODES)))
        / IPv6(src=address, dst=_ALL_NODES, hlim=255)
        / ICMPv6ND_NA(R=0, S=0, O=1, tgt=address)
        / ICMPv6NDOptDstLLAddr(lladdr=mac)
    )


def read_claim(frame: bytes, version: int) -> Claim | None:
    """What an ARP (version 4) or neighbour-discovery (version 6) frame claims, None when it claims nothing."""
    return _read_arp(frame) if version == 4 else _read_neighbour(frame)


def _read_arp(frame: bytes) -> Claim | None:
    if len(frame) < 42 or frame[12:14] != b"\x08\x06":
        return None
    arp = Ether(frame).getlayer(ARP)
    if arp is None or arp.ptype != 0x0800 or arp.hwlen != 6 or arp.plen != 4:
        return None
    if arp.psrc == "0.0.0.0":  # noqa: S104 - the unspecified sender of a probe, not a bind
        return Claim(arp.pdst, arp.hwsrc, probing=True) if arp.op == _REQUEST else None
    return Claim(arp.psrc, arp.hwsrc)


def _read_neighbour(frame: bytes) -> Claim | None:
    if len(frame) < 78 or frame[12:14] != b"\x86\xdd" or frame[20] != 58 or frame[21] != 255:
        return None
    packet = Ether(frame)
    advertisement = packet.getlayer(ICMPv6ND_NA)
    if advertisement is not None:
        option = advertisement.getlayer(ICMPv6NDOptDstLLAddr)
        return Claim(advertisement.tgt, option.lladdr if option is not None else packet.src)
    solicitation = packet.getlayer(ICMPv6ND_NS)
    if solicitation is not None and packet.getlayer(IPv6).src == "::":
        return Claim(solicitation.tgt, packet.src, probing=True)
    return None


def same_address(text: str, address: Address) -> bool:
    """Whether a claim's text names this address."""
    return ipaddress.ip_address(text).packed == address.packed
