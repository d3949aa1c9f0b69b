"""USB sticks in a machine of their own: put in, written over SSH, pulled, swapped, full, failing, write-protected."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paramiko
import pytest
from pydantic import JsonValue

from tests.disks.block_devices import MAKERS, loop, only_root, run
from tests.images.conftest import DATA_BYTES, ONE_TIME_PASSWORD
from tests.images.machine import ADDRESS, machine
from tests.images.sockets import JsonSocket
from tests.images.test_boot import BOOT_SECONDS_MAX
from toolkit.emulator.appliance.passwords import hash_password
from toolkit.images.build import Image
from toolkit.images.programs import Workshop
from toolkit.images.seed import write_seed
from toolkit.media.cargo import Kind, Manifest
from toolkit.media.read import verify
from toolkit.media.remote import Talk
from toolkit.media.sources import Source
from toolkit.media.ssh import agent_at
from toolkit.media.stations import Plugged, There
from toolkit.media.write import Purpose, write
from toolkit.model.carry import SshStation
from toolkit.model.errors import MediaError, RefusedError, UnknownStateError, VerificationError
from toolkit.signing import SigningKey, own_key

pytestmark = [pytest.mark.image, pytest.mark.endurance, pytest.mark.timeout(600)]

MB = 1 << 20
CONTENT = bytes(range(256)) * (3 * MB // 256)


@dataclass
class Bench:
    """A running machine whose USB ports are ours, reached by SSH."""

    qemu: JsonSocket
    station: There
    looking: Talk
    folder: Path
    key: SigningKey

    def stick(self, name: str, kind: str = "vfat", size_mb: int = 40) -> Path:
        """A new stick's image, with an empty file system; FAT always with the same label and serial number of it."""
        image = self.folder / f"{name}.img"
        with image.open("wb") as file:
            file.truncate(size_mb * MB)
        run(*MAKERS[kind], "STICK", *(("-i", "5245424f") if kind == "vfat" else ()), image)
        return image

    @contextmanager
    def plugged(self, image: Path, *, read_only: bool = False, fails_at: int | None = None) -> Iterator[None]:
        """The stick is in the machine meanwhile; with `fails_at` it takes no write to that sector."""
        file: dict[str, Any] = {"driver": "file", "filename": str(image)}
        if fails_at is not None:
            error = {"event": "none", "iotype": "write", "errno": 5, "sector": fails_at, "once": False}
            file = {"driver": "blkdebug", "image": file, "inject-error": [error]}
        self.qemu.call(
            "blockdev-add", **{"node-name": image.stem, "driver": "raw", "file": file, "read-only": read_only}
        )
        self.qemu.call("device_add", driver="usb-storage", id="plugged", drive=image.stem, removable=True, serial="S-1")
        self._seen(there=True)
        try:
            yield
        finally:
            self.pull()
            self._seen(there=False)
            # QEMU lets go of the image when the machine has let go of the device
            self.qemu.call("blockdev-del", **{"node-name": image.stem})

    def pull(self) -> None:
        """Without a word to the machine; harmless when it is out."""
        if any("/plugged" in device["qdev"] for device in self.qemu.call("query-block") if device.get("qdev")):
            self.qemu.call("device_del", id="plugged")

    def held(self, *, writing: bool) -> AbstractContextManager[Plugged | None]:
        return self.station.holding("serial=S-1", writing=writing)

    def write(self, *sources: Source) -> Manifest:
        with self.held(writing=True) as plugged:
            assert plugged
            purpose = Purpose(Kind.BACKUP, "run-1", "a test", datetime(2026, 3, 1, tzinfo=UTC))
            return write(plugged.carrier, sources, purpose, self.key, lambda *_: None)

    def verify(self) -> Manifest:
        with self.held(writing=False) as plugged:
            assert plugged
            return verify(plugged.carrier, {self.key.public}, lambda *_: None).manifest

    def source(self, content: bytes = CONTENT) -> Source:
        path = self.folder / "settings.age"
        path.write_bytes(content)
        return Source(path, "backup/settings.age", len(content))

    def _seen(self, *, there: bool) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any(stick["serial"] == "S-1" for stick in self.looking.ask("sticks")) == there:
                return
            time.sleep(0.1)
        raise AssertionError(f"the stick {'never turned up' if there else 'stayed'}")


@pytest.fixture(scope="module")
def bench(appliance: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("machine")
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(folder / "key"))
    (folder / "key").chmod(0o600)
    order: dict[str, JsonValue] = {
        "serial_number": "VM-0001",
        "addresses": [f"{ADDRESS}/24"],
        "admin_password_hash": hash_password(ONE_TIME_PASSWORD),
    }
    data, seed = folder / "rebox-data.raw", folder / "seed.raw"
    with data.open("wb") as file:
        file.truncate(DATA_BYTES)
    write_seed(Workshop(folder, 1), order, seed, authorized_keys=[f"{key.get_name()} {key.get_base64()}"])
    control = folder / "qmp"
    more = ("-device", "qemu-xhci,id=usb", "-qmp", f"unix:{control},server=on,wait=off")
    with machine(appliance.folder, appliance.manifest, folder, [data, seed], port=free(), more=more) as box:
        box.wait_for("ssh host key:", BOOT_SECONDS_MAX)
        with JsonSocket(control) as qemu:
            qemu.call("qmp_capabilities")
            station = _station(qemu, folder)
            with agent_at(station.settings, station.key_file, station.console) as looking:
                yield Bench(qemu, station, looking, folder, own_key(folder / "state"))


def _station(qemu: JsonSocket, folder: Path) -> There:
    port = free()
    qemu.call("human-monitor-command", **{"command-line": f"hostfwd_add net tcp:127.0.0.1:{port}-{ADDRESS}:22"})
    fields = {"driver": "ssh", "address": "127.0.0.1", "port": port, "key_file": "key", "console_file": "console"}
    return There(SshStation.model_validate(fields), folder / "key", folder / "console")


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_stick_is_seen_written_and_carried_to_who_reads_it(bench: Bench) -> None:
    image = bench.stick("carried")
    with bench.plugged(image):
        written = bench.write(bench.source())
        assert bench.verify() == written
    # by another hand: what is on it lies there as it was given
    (file,) = written.files
    (part,) = file.parts
    taken = subprocess.run(["mcopy", "-i", image, f"::/REBOX/{part.name}", "-"], capture_output=True, check=True).stdout
    assert taken == CONTENT
    # in another machine, or the same one again: recognised by what is on it
    with bench.plugged(image):
        assert bench.verify() == written


def by_exfat_fuse(image: Path, name: str) -> bytes:
    place = image.with_suffix(".mounted")
    place.mkdir()
    with loop(image, "--read-only") as device:
        run("mount.exfat-fuse", "-o", "ro", device, place)
        try:
            return (place / "REBOX" / name).read_bytes()
        finally:
            run("umount", place)


def by_debugfs(image: Path, name: str) -> bytes:
    taken = image.with_suffix(".taken")
    run("debugfs", "-R", f"dump /REBOX/{name} {taken}", image)
    return taken.read_bytes()


OTHERS = {"exfat": (("fsck.exfat", "-n"), by_exfat_fuse), "ext4": (("e2fsck", "-f", "-n"), by_debugfs)}
"""What the machine's kernel does not know of: the programs that look a file system over, and that take a file out."""


@pytest.mark.parametrize("kind", [pytest.param("exfat", marks=only_root), "ext4"])
def test_other_file_systems_are_written_by_the_machines_kernel(bench: Bench, kind: str) -> None:
    """It has them itself: exfat-fuse is not installed there."""
    image = bench.stick(kind, kind)
    with bench.plugged(image):
        written = bench.write(bench.source())
        assert written.volume.kind == kind
        assert bench.verify() == written
    with bench.plugged(image):
        assert bench.verify() == written
    ((part,),) = [file.parts for file in written.files]
    looked_over, taken_by = OTHERS[kind]
    run(*looked_over, image)
    assert taken_by(image, part.name) == CONTENT


class Pulling(Source):
    """A source whose reader pulls the stick out in the middle."""

    bench: Bench

    def read(self) -> Iterator[bytes]:
        for number, piece in enumerate(super().read()):
            if number == 4:
                self.bench.pull()
            yield piece


@pytest.mark.parametrize("kind", ["vfat", "exfat", "ext4"])
def test_a_stick_that_is_pulled_in_mid_write_is_told_and_counts_for_nothing(bench: Bench, kind: str) -> None:
    image = bench.stick(f"pulled-{kind}", kind)
    source = bench.source(os.urandom(16 * MB))
    pulling = Pulling(source.path, source.name, source.size_bytes)
    object.__setattr__(pulling, "bench", bench)
    with bench.plugged(image), pytest.raises(MediaError):
        bench.write(pulling)
    with bench.plugged(image):
        # what had not come to it when it was pulled is nowhere
        with pytest.raises((VerificationError, UnknownStateError)):
            bench.verify()
        # it is as good as new: what was begun on it is cleared away
        assert bench.write(bench.source()) == bench.verify()


def test_another_stick_with_the_same_label_and_number_is_not_written_to(bench: Bench) -> None:
    first, second = bench.stick("first"), bench.stick("second")
    before = second.read_bytes()
    with bench.plugged(first), bench.held(writing=True) as plugged:
        assert plugged
        bench.pull()
        with bench.plugged(second), pytest.raises(MediaError, match="not there any more"):
            write(
                plugged.carrier,
                [bench.source()],
                Purpose(Kind.FREE, "run-1", "a test", datetime(2026, 3, 1, tzinfo=UTC)),
                bench.key,
                lambda *_: None,
            )
    assert second.read_bytes() == before


def test_a_full_stick_a_failing_one_and_one_that_is_write_protected(bench: Bench) -> None:
    small = bench.stick("small", size_mb=35)
    with bench.plugged(small), pytest.raises(MediaError, match="does not fit"):
        bench.write(bench.source(os.urandom(36 * MB)))
    for kind, sector in (("vfat", 4000), ("exfat", 8000)):
        failing = bench.stick(f"failing-{kind}", kind)
        # in the middle of its data
        with bench.plugged(failing, fails_at=sector), pytest.raises(MediaError, match="does not do what it should"):
            bench.write(bench.source())
    protected = bench.stick("protected")
    before = protected.read_bytes()
    with bench.plugged(protected, read_only=True), pytest.raises(RefusedError, match="cannot be used so"):
        bench.write(bench.source())
    assert protected.read_bytes() == before


def test_a_disk_of_the_machine_itself_is_no_stick(bench: Bench) -> None:
    with bench.station.holding("serial=rebox-data", writing=True) as plugged:
        assert plugged is None


def test_a_copy_of_a_stick_is_told_from_it_by_nothing_but_its_place(bench: Bench) -> None:
    image = bench.stick("original")
    with bench.plugged(image):
        written = bench.write(bench.source())
    copy = bench.folder / "copy.img"
    shutil.copyfile(image, copy)
    with bench.plugged(copy):
        assert bench.verify() == written
