"""The installer for the network: what lay on the ISO lies in the initrd, for whatever loader starts it."""

import json
import subprocess
from pathlib import Path

import pytest

from toolkit.images.installer_job import InstallerJob, write_job_iso
from toolkit.images.iso_image import IMAGE_FACTS, IMAGE_FILE, JOB_BYTES, JOB_FILE
from toolkit.images.netboot import INITRD, KERNEL, SCRIPT, write_netboot
from toolkit.model.errors import InputError, StorageError

COMMAND_LINE = "quiet console=tty0 console=ttyS0,115200"
JOB = InstallerJob(action="wipe", machine_serial="SRV-1", macs=("52:54:00:00:00:0a",), disk_serial="S1")


def make_iso(folder: Path, files: dict[str, bytes]) -> Path:
    tree, iso = folder / "tree", folder / "installer.iso"
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    words: list[str | Path] = ["xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "3", "-output", iso, tree]
    subprocess.run(words, check=True, capture_output=True)
    return iso


@pytest.fixture
def files() -> dict[str, bytes]:
    return {
        "boot/vmlinuz": b"kernel" * 1000,
        "boot/initrd": b"\x28\xb5\x2f\xfd the compressed one",
        "isolinux/isolinux.cfg": f"LABEL rebox\n KERNEL /boot/vmlinuz\n APPEND {COMMAND_LINE}\n".encode(),
        JOB_FILE: b" " * JOB_BYTES,
        IMAGE_FACTS: b'{"name": "appliance"}\n',
        IMAGE_FILE: bytes(range(256)) * 31 + b"!",
    }


def test_kernel_initrd_and_the_whole_medium_with_its_job_are_handed_out(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    iso, folder = make_iso(tmp_path, files), tmp_path / "boot" / "server"
    write_job_iso(iso, JOB, iso)
    made = write_netboot(iso, folder)
    assert made.command_line == COMMAND_LINE
    assert (folder / KERNEL).read_bytes() == files["boot/vmlinuz"]
    assert f"kernel {KERNEL} initrd={INITRD} {COMMAND_LINE}\n" in (folder / SCRIPT).read_text()
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}

    initrd = (folder / INITRD).read_bytes()
    early, compressed = initrd[: -len(files["boot/initrd"])], initrd[-len(files["boot/initrd"]) :]
    assert compressed == files["boot/initrd"]
    assert len(early) % 4 == 0, "the kernel looks for the next part at every fourth byte"
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    subprocess.run(["cpio", "-i", "--quiet"], input=early, cwd=unpacked, check=True)
    assert json.loads((unpacked / "medium" / JOB_FILE).read_bytes())["machine_serial"] == "SRV-1"
    for name in (IMAGE_FACTS, IMAGE_FILE):
        assert (unpacked / "medium" / name).read_bytes() == files[name]


@pytest.mark.parametrize("absent", ["boot/vmlinuz", "boot/initrd", "isolinux/isolinux.cfg", IMAGE_FILE])
def test_an_iso_that_is_no_installer_is_refused_and_nothing_is_written(
    tmp_path: Path, files: dict[str, bytes], absent: str
) -> None:
    del files[absent]
    with pytest.raises(InputError, match="holds no"):
        write_netboot(make_iso(tmp_path, files), tmp_path / "server")
    assert not (tmp_path / "server").exists()


def test_an_iso_that_does_not_say_how_it_starts_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    files["isolinux/isolinux.cfg"] = b"LABEL rebox\n"
    with pytest.raises(InputError, match="how its kernel starts"):
        write_netboot(make_iso(tmp_path, files), tmp_path / "server")


def test_what_is_no_iso_and_what_is_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    with pytest.raises(InputError, match="no ISO image"):
        write_netboot(tmp_path / "text", tmp_path / "server")
    with pytest.raises(InputError, match="cannot be read"):
        write_netboot(tmp_path / "absent", tmp_path / "server")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "server").touch()
    with pytest.raises(StorageError, match="installer for the network"):
        write_netboot(make_iso(tmp_path, files), tmp_path / "server")
