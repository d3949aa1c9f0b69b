"""The frames, taken apart by another reader than the one that put them together."""

import subprocess
from ipaddress import IPv4Address, IPv6Address

from toolkit.emulator.appliance.announcements import announcement

MAC = bytes.fromhex("020000000011")


def test_gratuitous_arp_comes_as_request_and_as_reply() -> None:
    request, reply = announcement(IPv4Address("10.77.0.10"), MAC)
    for frame in (request, reply):
        assert len(frame) == 42
        assert frame[:14] == b"\xff" * 6 + MAC + b"\x08\x06"
        assert frame[14:20] == bytes.fromhex("000108000604")
        assert frame[22:28] == MAC
        assert frame[28:32] == frame[38:42] == bytes([10, 77, 0, 10])
    assert request[20:22] == b"\0\1"
    assert reply[20:22] == b"\0\2"


def test_the_neighbour_advertisement_is_unsolicited_and_overrides() -> None:
    (frame,) = announcement(IPv6Address("fd77::10"), MAC)
    assert frame[:14] == bytes.fromhex("333300000001") + MAC + b"\x86\xdd"
    assert frame[21] == 255, "hop limit: a router would have lowered it"
    assert frame[54:56] == b"\x88\0"
    assert frame[58] == 0x20, "override, neither router nor solicited"
    assert frame[62:78] == IPv6Address("fd77::10").packed
    assert frame[78:86] == b"\x02\x01" + MAC


def test_tshark_finds_the_checksum_right() -> None:
    frames = [*announcement(IPv6Address("fd77::10"), MAC), *announcement(IPv4Address("10.77.0.10"), MAC)]
    told = subprocess.run(
        ["tshark", "-r", "-", "-T", "fields", "-e", "icmpv6.checksum.status", "-e", "arp.isgratuitous"],
        input=_pcap(frames),
        capture_output=True,
        check=True,
    )
    checksum, *gratuitous = told.stdout.decode().split()
    assert checksum == "1"
    assert len(gratuitous) == 2
    assert set(gratuitous) <= {"1", "True"}, "how tshark writes true depends on its version"


def _pcap(frames: list[bytes]) -> bytes:
    head = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
    sizes = [len(frame).to_bytes(4, "little") for frame in frames]
    return head + b"".join(bytes(8) + size * 2 + frame for size, frame in zip(sizes, frames, strict=True))
