"""What is written is what tshark and scapy read, also when the end is missing."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgReader

from toolkit.probes import pcapng

FRAME = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="10.0.0.2") / UDP())


def _written(path: Path, frames: list[bytes]) -> bytes:
    data = pcapng.header("eth0", pcapng.LINK_ETHERNET, 256)
    data += b"".join(pcapng.packet(1_700_000_000_000_000_000 + n, frame, len(frame)) for n, frame in enumerate(frames))
    path.write_bytes(data)
    return data


@given(frames=st.lists(st.binary(min_size=14, max_size=80), max_size=5))
def test_every_frame_comes_back_byte_by_byte(tmp_path_factory: pytest.TempPathFactory, frames: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("capture") / "c.pcapng"
    _written(path, frames)
    with PcapNgReader(str(path)) as reader:
        assert [bytes(frame) for frame in reader] == frames


def test_tshark_reads_time_interface_and_content(tmp_path: Path) -> None:
    path = tmp_path / "c.pcapng"
    _written(path, [FRAME])
    fields = ["frame.time_epoch", "frame.interface_name", "ip.dst"]
    done = subprocess.run(
        ["tshark", "-r", str(path), "-T", "fields", *(word for name in fields for word in ("-e", name))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1700000000.000000000", "eth0", "10.0.0.2"]


def test_a_file_cut_in_the_middle_of_a_packet_still_gives_the_packets_before(tmp_path: Path) -> None:
    path = tmp_path / "c.pcapng"
    path.write_bytes(_written(path, [FRAME] * 3)[:-7])
    done = subprocess.run(["tshark", "-r", str(path)], capture_output=True, text=True, check=False)
    assert len(done.stdout.splitlines()) == 2
