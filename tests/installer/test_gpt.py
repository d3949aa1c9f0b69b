"""The partition table that the installer leaves, as another program reads it."""

import json
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from toolkit.disks.refusal import Failed
from toolkit.installer.gpt import BASIC_DATA, HEAD_BYTES, LINUX, Partition, grown

MIB = 1 << 20
SFDISK = "/usr/sbin/sfdisk"


def image(path: Path) -> bytes:
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    table = b"label: gpt\nfirst-lba: 34\nstart=2048, size=20480, type=uefi\nstart=22528, size=106496, type=linux\n"
    subprocess.run([SFDISK, "-q", "--no-reread", path], input=table, check=True)
    return path.read_bytes()[:HEAD_BYTES]


def test_it_fills_the_disk_and_holds_what_was_there_and_what_was_added(tmp_path: Path) -> None:
    head = image(tmp_path / "image")
    added = [Partition("seed", BASIC_DATA, 64 * MIB, MIB), Partition("rebox-data", LINUX, 65 * MIB, 134 * MIB)]
    numbers = iter([UUID(int=1), UUID(int=2)])
    new_head, tail = grown(head, 200 * MIB, added, lambda: next(numbers))
    disk = tmp_path / "disk"
    disk.write_bytes(new_head + bytes(200 * MIB - len(new_head) - len(tail)) + tail)
    assert b"No errors detected" in subprocess.run([SFDISK, "--verify", disk], capture_output=True, check=True).stdout
    said = subprocess.run([SFDISK, "--json", disk], capture_output=True, check=True).stdout
    table = json.loads(said)["partitiontable"]
    assert table["lastlba"] == 200 * 2048 - 34
    assert [(one["start"], one["size"], one.get("name")) for one in table["partitions"]] == [
        (2048, 20480, None),
        (22528, 106496, None),
        (64 * 2048, 2048, "seed"),
        (65 * 2048, 134 * 2048, "rebox-data"),
    ]
    assert new_head[:446] == head[:446], "the code that starts it by BIOS"
    # the second table alone is enough
    with disk.open("r+b") as file:
        file.seek(512)
        file.write(bytes(512))
    said = subprocess.run([SFDISK, "--json", disk], capture_output=True, check=True).stdout
    assert len(json.loads(said)["partitiontable"]["partitions"]) == 4


def test_a_damaged_table_is_not_built_upon(tmp_path: Path) -> None:
    head = bytearray(image(tmp_path / "image"))
    head[512 + 40] ^= 1
    with pytest.raises(Failed, match="damaged"):
        grown(bytes(head), 200 * MIB, [])
    with pytest.raises(Failed, match="no partition table"):
        grown(bytes(HEAD_BYTES), 200 * MIB, [])
