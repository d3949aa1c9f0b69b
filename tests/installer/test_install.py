"""Writing and wiping a disk, here a file: what lies on it afterwards, and after a job that was cut off."""

import io
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from tests.installer.test_gpt import image as partitioned
from toolkit.disks import wipe
from toolkit.disks.device import MARK, Device
from toolkit.disks.refusal import Failed
from toolkit.installer import install
from toolkit.installer.fat import volume

MIB = 1 << 20
IMAGE_BYTES, DISK_BYTES = 64 * MIB, 100 * MIB + 512
CANARY = b"a secret of the old box"


def quiet(_fraction: float) -> None:
    pass


@pytest.fixture
def image(tmp_path: Path) -> bytes:
    partitioned(tmp_path / "image")
    content = bytearray((tmp_path / "image").read_bytes())
    content[30 * MIB : 30 * MIB + 5] = b"hello"
    return bytes(content)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """It held something everywhere."""
    place = tmp_path / "disk"
    place.write_bytes(CANARY.ljust(512, b".") * (DISK_BYTES // 512))
    return place


def put(image: bytes, disk: Path, *, seed: bytes | None = None, data: bool = False, meant: bytes | None = None) -> int:
    with Device.open(disk, DISK_BYTES) as device:
        head = install.write_image(io.BytesIO(image), IMAGE_BYTES, device, quiet)
        assert device.begun()
        digest = sha256(meant or image).hexdigest()
        return install.finish(device, head, IMAGE_BYTES, digest, job_id="1", seed=seed, data=data, progress=quiet)


def test_the_image_lies_on_the_disk_and_behind_it_seed_and_a_blank_place_for_data(image: bytes, disk: Path) -> None:
    seed = install.seed_volume({"serial_number": "VM-1"}, ["ssh-ed25519 AAAA"])
    assert put(image, disk, seed=seed, data=True) > IMAGE_BYTES
    content = disk.read_bytes()
    # but for partition tables it is the image
    assert content[MIB:IMAGE_BYTES] == image[MIB:]
    assert content[64 * MIB : 65 * MIB] == seed
    assert not any(content[65 * MIB : 66 * MIB])
    assert subprocess.run(["/usr/sbin/sfdisk", "--verify", disk], check=False, capture_output=True).returncode == 0


def test_without_a_seed_nothing_is_added(image: bytes, disk: Path) -> None:
    put(image, disk)
    said = subprocess.run(["/usr/sbin/sfdisk", "--list", disk], check=True, capture_output=True).stdout.decode()
    assert len([line for line in said.splitlines() if line.startswith(str(disk))]) == 2


def test_a_disk_that_does_not_hold_what_was_meant_does_not_start(image: bytes, disk: Path) -> None:
    with pytest.raises(Failed, match="what was read back is not the image"):
        put(image, disk, meant=b"another image")
    content = disk.read_bytes()
    assert content.startswith(MARK)
    assert b"EFI PART" not in content[:MIB]
    assert content[510:512] != b"\x55\xaa"


@pytest.mark.parametrize("wrong", ["short", "long"])
def test_an_image_of_another_length_fails(image: bytes, disk: Path, wrong: str) -> None:
    content = image[:-5] if wrong == "short" else image + b"more"
    with pytest.raises(Failed, match="ends after" if wrong == "short" else "longer"):
        put(content, disk)
    assert disk.read_bytes().startswith(MARK)


def test_begun_again_after_it_was_cut_off_it_says_so_and_ends_well(image: bytes, disk: Path) -> None:
    def cut(fraction: float) -> None:
        if fraction > 0.5:
            raise InterruptedError

    with Device.open(disk, DISK_BYTES) as device:
        assert not device.begun()
        with pytest.raises(InterruptedError):
            install.write_image(io.BytesIO(image), IMAGE_BYTES, device, cut)
    with Device.open(disk, DISK_BYTES) as device:
        assert device.begun()
    put(image, disk)
    with Device.open(disk, DISK_BYTES) as device:
        assert not device.begun()


def test_a_disk_remembers_the_job_that_was_done_on_it(image: bytes, disk: Path) -> None:
    with Device.open(disk, DISK_BYTES) as device:
        assert not install.was_done(device, "1")
    put(image, disk)
    with Device.open(disk, DISK_BYTES) as device:
        assert install.was_done(device, "1")
        assert not install.was_done(device, "2")
        install.write_image(io.BytesIO(image), IMAGE_BYTES, device, quiet)
        assert not install.was_done(device, "1"), "it is being written anew"


def test_a_wipe_leaves_nothing_and_says_how_much_it_read(disk: Path) -> None:
    with Device.open(disk, DISK_BYTES) as device:
        assert wipe.begin(device) is False, "a file cannot be told to discard"
        wipe.write_zeros(device, quiet)
        assert wipe.read_zeros(device, [(0, DISK_BYTES)], quiet) == DISK_BYTES
    assert not any(disk.read_bytes())


def test_a_single_byte_that_is_left_is_found(disk: Path) -> None:
    with Device.open(disk, DISK_BYTES) as device:
        wipe.begin(device)
        wipe.write_zeros(device, quiet)
        device.write(77 * MIB + 3, b"\x01")
        with pytest.raises(Failed, match=f"byte {77 * MIB + 3:,} is not zero"):
            wipe.read_zeros(device, [(0, DISK_BYTES)], quiet)


def test_a_wipe_that_was_cut_off_is_known(disk: Path) -> None:
    def cut(_fraction: float) -> None:
        raise InterruptedError

    with Device.open(disk, DISK_BYTES) as device:
        wipe.begin(device)
        with pytest.raises(InterruptedError):
            wipe.write_zeros(device, cut)
        assert device.begun()
        wipe.write_zeros(device, quiet)
        with pytest.raises(InterruptedError):
            wipe.read_zeros(device, [(0, DISK_BYTES)], cut)
        assert device.begun()


def test_a_disk_that_ends_early_or_is_not_there_is_named(tmp_path: Path, disk: Path) -> None:
    with pytest.raises(Failed, match="absent"), Device.open(tmp_path / "absent", 1):
        pass
    with Device.open(disk, DISK_BYTES) as device, pytest.raises(Failed, match="ends at byte"):
        device.read(DISK_BYTES - 10, 20)


def test_a_seed_that_is_too_long_fails_before_anything_is_written() -> None:
    with pytest.raises(Failed, match="too long"):
        install.seed_volume({"serial_number": "x" * MIB}, [])
    assert volume(install.SEED_LABEL, {}, MIB)
