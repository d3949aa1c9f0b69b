"""Archives that come out the same twice, and that other programs can read."""

import io
import subprocess
import tarfile
from pathlib import Path

from toolkit.images.archives import Entry, cpio, entry_of, tar, with_folders

ENTRIES = [Entry("sbin/init", b"#!/bin/sh\n", executable=True), Entry("bin", "usr/bin"), Entry("etc/motd", b"hello")]


def test_a_tar_holds_what_was_given_owned_by_root(tmp_path: Path) -> None:
    content = tar(with_folders(ENTRIES), epoch=1000)
    assert content == tar(with_folders(reversed(ENTRIES)), epoch=1000)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = {one.name: one for one in archive.getmembers()}
        assert list(members) == ["bin", "etc", "etc/motd", "sbin", "sbin/init"]
        assert {(one.uid, one.gid, one.mtime) for one in members.values()} == {(0, 0, 1000)}
        assert (members["sbin/init"].mode, members["etc/motd"].mode) == (0o755, 0o644)
        assert members["bin"].linkname == "usr/bin"


def test_another_cpio_reads_ours(tmp_path: Path) -> None:
    content = cpio(ENTRIES, epoch=1000)
    assert content == cpio(list(reversed(ENTRIES)), epoch=1000)
    listed = subprocess.run(
        ["cpio", "--list", "--quiet"], input=content, capture_output=True, check=True
    ).stdout.decode()
    assert listed.split() == ["bin", "etc", "etc/motd", "sbin", "sbin/init"]
    subprocess.run(["cpio", "--extract", "--quiet"], input=content, check=True, cwd=tmp_path)
    assert entry_of("sbin/init", tmp_path / "sbin" / "init") == ENTRIES[0]
    assert entry_of("bin", tmp_path / "bin") == ENTRIES[1]
