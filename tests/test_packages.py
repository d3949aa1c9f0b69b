"""What is installed: exact versions by hash, from wherever pip is told to look, and Debian packages by name."""

import re
import subprocess
import time
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGES = Path(__file__).parents[1] / "packages"
LOCKS = sorted(path.name for path in PACKAGES.glob("*.lock"))
PURPOSES = {"run", "image", "media", "vm", "test", "bench"}
PROGRAMS = {
    "run": {"named": "bind9", "python3-config": "python3-dev", "gcc": "gcc", "pkg-config": "pkg-config"},
    "image": {
        "mmdebstrap": "mmdebstrap",
        "fakeroot": "fakeroot",
        "mke2fs": "e2fsprogs",
        "debugfs": "e2fsprogs",
        "sfdisk": "fdisk",
        "mkfs.vfat": "dosfstools",
        "mcopy": "mtools",
        "objcopy": "binutils",
        "syslinux": "syslinux",
        "xorriso": "xorriso",
        "newuidmap": "uidmap",
    },
    "media": {
        "mkfs.vfat": "dosfstools",
        "mcopy": "mtools",
        "mkfs.exfat": "exfatprogs",
        "mount.exfat-fuse": "exfat-fuse",
        "fusermount3": "fuse3",
    },
    "vm": {
        "qemu-system-x86_64": "qemu-system-x86",
        "qemu-img": "qemu-utils",
        "libvirtd": "libvirt-daemon",
        "virt-xml-validate": "libvirt-clients",
        "busybox": "busybox-static",
    },
    "test": {
        "curl": "curl",
        "cpio": "cpio",
        "openssl": "openssl",
        "age": "age",
        "zstd": "zstd",
        "dig": "bind9-dnsutils",
        "nsupdate": "bind9-dnsutils",
        "tshark": "tshark",
        "chromium": "chromium",
        "umockdev-wrapper": "umockdev",
        "nbdfuse": "libnbd-bin",
        "nbdkit": "nbdkit",
        "ip": "iproute2",
        "ping": "iputils-ping",
        "ps": "procps",
        "photorec": "testdisk",
        "fusermount3": "fuse3",
    },
    "bench": {"fping": "fping", "nmap": "nmap", "keepalived": "keepalived", "restic": "restic", "nwipe": "nwipe"},
}
"""Programs that are called, by purpose, and the Debian package that has each."""


def listed() -> list[tuple[str, str]]:
    """Purpose and name of every line that is no comment."""
    lines = (line.partition("#")[0].split() for line in (PACKAGES / "debian.list").read_text().splitlines())
    return [(words[0], words[1]) for words in lines if len(words) == 2]


def test_there_are_locks_for_running_testing_building_and_comparing() -> None:
    assert LOCKS == [
        "python-bench.lock",
        "python-build.lock",
        "python-dev.lock",
        "python-metal-lab.lock",
        "python.lock",
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_package_by_hash_and_names_no_place(lock: str) -> None:
    text = (PACKAGES / lock).read_text(encoding="utf-8")
    for option in ("://", "--index-url", "--extra-index-url", "--find-links", "--trusted-host"):
        assert option not in text
    requirements = [
        line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    assert requirements
    for requirement in requirements:
        assert re.fullmatch(
            r"[a-z0-9._-]+==[0-9][A-Za-z0-9.+!]*( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+", requirement
        ), requirement


def test_a_version_is_the_same_in_every_lock() -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", (PACKAGES / lock).read_text(), flags=re.M):
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_a_lock_holds_what_its_packages_ask_for_on_every_python_they_run_on(python: str) -> None:
    # Debian 12 has 3.11, with which the locks are written, Debian 13 has 3.13
    locked = set(re.findall(r"^([a-z0-9._-]+)==", (PACKAGES / "python-dev.lock").read_text(), flags=re.M))
    environment = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    missing = {
        f"{name} asks for {requirement.name}"
        for name in locked
        for requirement in map(Requirement, distribution(name).requires or ())
        if (requirement.marker is None or requirement.marker.evaluate(environment))
        and canonicalize_name(requirement.name) not in locked
    }
    assert missing == set()


def test_the_debian_list_says_what_for_which_and_why() -> None:
    for line in (PACKAGES / "debian.list").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            assert re.fullmatch(r"(run  |image|media|vm   |test |bench) [a-z0-9][a-z0-9.+-]+ +# \S.*", line), line
    assert len(listed()) == len({*listed()}), "none twice"
    assert {purpose for purpose, _ in listed()} == PURPOSES


@pytest.mark.parametrize("purpose", sorted(PROGRAMS))
def test_every_program_that_is_called_comes_with_a_listed_package(purpose: str) -> None:
    missing = {program: name for program, name in PROGRAMS[purpose].items() if (purpose, name) not in listed()}
    assert missing == {}


def test_where_everything_is_installed_nothing_is_done(tmp_path: Path) -> None:
    # neither apt-get nor sudo is to be called: here they would end it with 99
    for program in ("apt-get", "sudo"):
        (tmp_path / program).write_text("#!/bin/sh\nexit 99\n")
        (tmp_path / program).chmod(0o755)
    began = time.monotonic()
    done = subprocess.run(
        [PACKAGES / "install-debian", "run"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - began < 10
