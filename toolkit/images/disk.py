"""The disk of an image, written in place: partition table, a FAT partition that starts by UEFI and BIOS, and ext4."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from toolkit.images.boot_files import start_volume, syslinux_config
from toolkit.images.programs import Workshop
from toolkit.images.recipe import DiskLayout
from toolkit.model.errors import ReboxError

_MIB = 1 << 20
_SECTOR = 512
_ESP_START_MB, _ESP_MB = 1, 63
_ROOT_START_MB = _ESP_START_MB + _ESP_MB
_END_MB = 1  # the second partition table
_BOOT_CODE_BYTES = 440
_FILES_WITHOUT_NAME = range(1, 11)  # reserved inodes: bad blocks, root, quota …, journal


@dataclass(frozen=True)
class BootFiles:
    """What the disk starts with; `unified` is kernel, initrd and command line as one EFI program."""

    kernel: Path
    initrd: Path
    unified: Path
    syslinux: Path
    """Holds syslinux-common's files."""
    command_line: str


def write_disk(workshop: Workshop, layout: DiskLayout, tree: Path, boot: BootFiles, disk: Path) -> None:
    """Writes the raw disk; the same input gives the same bytes. Raises ReboxError, StorageError."""
    with disk.open("wb") as file:
        file.truncate(layout.size_mb * _MIB)
    _partition(workshop, layout, disk)
    _start_partition(workshop, layout, boot, disk)
    _root(workshop, layout, tree, disk)


def _partition(workshop: Workshop, layout: DiskLayout, disk: Path) -> None:
    sectors = _MIB // _SECTOR
    table = (
        f"label: gpt\nlabel-id: {layout.disk_uuid}\nfirst-lba: 34\n"
        f"start={_ESP_START_MB * sectors}, size={_ESP_MB * sectors}, type=uefi, name=start, "
        f"uuid={_derived(layout, 1)}, attrs=LegacyBIOSBootable\n"
        f"start={_ROOT_START_MB * sectors}, size={(layout.size_mb - _ROOT_START_MB - _END_MB) * sectors}, "
        f"type=linux, name=root, uuid={_derived(layout, 2)}\n"
    )
    workshop.run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", disk, stdin=table.encode())


def _derived(layout: DiskLayout, number: int) -> str:
    """A partition's UUID: the disk's with its last digit moved on."""
    return f"{layout.disk_uuid[:-1]}{(int(layout.disk_uuid[-1], 16) + number) % 16:x}"


def _start_partition(workshop: Workshop, layout: DiskLayout, boot: BootFiles, disk: Path) -> None:
    config = workshop.scratch / "syslinux.cfg"
    config.write_text(syslinux_config(boot.command_line, "/vmlinuz", "/initrd"), encoding="ascii")
    files = {
        "EFI/BOOT/BOOTX64.EFI": boot.unified,
        "vmlinuz": boot.kernel,
        "initrd": boot.initrd,
        "syslinux.cfg": config,
    }
    volume = workshop.scratch / "start.fat"
    start_volume(workshop, volume, layout.start_id, files, size_bytes=_ESP_MB * _MIB, bits=32)
    workshop.run("syslinux", "--install", volume)
    with disk.open("r+b") as file:
        file.write((boot.syslinux / "gptmbr.bin").read_bytes()[:_BOOT_CODE_BYTES])
        file.seek(_ESP_START_MB * _MIB)
        with volume.open("rb") as source:
            shutil.copyfileobj(source, file, _MIB)
    volume.unlink()


def _root(workshop: Workshop, layout: DiskLayout, tree: Path, disk: Path) -> None:
    files = workshop.scratch / "root"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir()
    offset = _ROOT_START_MB * _MIB
    size_kb = (layout.size_mb - _ROOT_START_MB - _END_MB) * 1024
    # owners and modes of the archive, kept by fakeroot for whoever builds; then the file system from the folder
    script = (
        'tar --extract --file "$1" --directory "$2" --numeric-owner --preserve-permissions '
        '--xattrs --xattrs-include="*" '
        '&& chmod 0755 "$2" && '
        f'mke2fs -q -t ext4 -d "$2" -U {layout.root_uuid} -L rebox-root -b 4096 -m 1 '
        f"-E offset={offset},hash_seed={layout.hash_seed},lazy_itable_init=0,assume_storage_prezeroed=1,root_owner=0:0 "
        f'"$3" {size_kb}k'
    )
    workshop.run("fakeroot", "sh", "-c", script, "sh", tree, files, disk)
    shutil.rmtree(files)
    _same_dates(workshop, layout, disk, offset)


def _same_dates(workshop: Workshop, layout: DiskLayout, disk: Path, offset: int) -> None:
    """Resets the dates that mke2fs copies from the folder and nobody can set there: change, creation and access."""
    place = f"{disk}?offset={offset}"
    stats = workshop.run("debugfs", "-R", "stats", place).decode()
    counts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in stats.splitlines())}
    try:
        used = int(counts["Inode count"]) - int(counts["Free inodes"])
    except (KeyError, ValueError):
        raise ReboxError("the new file system cannot be read", where=str(disk), why=stats[:200]) from None
    moment = f"@{workshop.epoch}"
    lines = [
        f"set_inode_field <{inode}> {field} {value}"
        for inode in (2, *range(_FILES_WITHOUT_NAME.stop, used + 1))
        for field, value in (
            ("ctime", moment), ("ctime_extra", 0), ("atime", moment), ("atime_extra", 0),
            ("crtime", moment), ("crtime_extra", 0), ("mtime_extra", 0),
        )
    ]  # fmt: skip
    batch = workshop.scratch / "dates"
    batch.write_text("\n".join(lines) + "\n", encoding="ascii")
    workshop.run("debugfs", "-w", "-f", batch, place)
    # debugfs notes when it wrote
    workshop.run(
        "debugfs", "-w", "-f", "-", place,
        stdin=f"set_super_value wtime {moment}\nset_super_value mtime 0\nset_super_value kbytes_written 0\n".encode(),
    )  # fmt: skip
