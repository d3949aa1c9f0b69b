"""The seed's volume, as other programs read it."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.installer.fat import volume

BYTES = 1 << 20
ENVIRONMENT = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}

NAMES = st.text("abcdefghijklmnopqrstuvwxyz_.0123456789", min_size=1, max_size=60).filter(
    lambda name: name.strip(".") == name
)


@settings(max_examples=25, deadline=None)
@given(files=st.dictionaries(NAMES, st.binary(max_size=5000), max_size=5))
def test_mtools_reads_every_file_and_fsck_finds_nothing(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    place = tmp_path_factory.mktemp("fat") / "volume"
    place.write_bytes(volume("REBOX-SEED", files, BYTES))
    for name, content in files.items():
        read = subprocess.run(["mtype", "-i", place, f"::/{name}"], capture_output=True, check=True, env=ENVIRONMENT)
        assert read.stdout == content
    subprocess.run(["/usr/sbin/fsck.vfat", "-n", place], capture_output=True, check=True)


def test_its_label_stands_where_the_box_looks_for_it(tmp_path: Path) -> None:
    content = volume("REBOX-SEED", {"order.json": b"{}"}, BYTES)
    assert len(content) == BYTES
    assert (content[43:54], content[54:62]) == (b"REBOX-SEED ", b"FAT12   ")
    place = tmp_path / "volume"
    place.write_bytes(content)
    said = subprocess.run(["mlabel", "-s", "-i", place], capture_output=True, check=True, env=ENVIRONMENT)
    assert b"REBOX-SEED" in said.stdout


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="fit"):
        volume("REBOX-SEED", {"order.json": bytes(BYTES)}, BYTES)
