"""A system on an ISO, run from its initrd: starts by UEFI and BIOS, from a drive or a stick, and holds an image."""

import json
from pathlib import Path

import zstandard

from toolkit.images.boot_files import make_initrd, start_volume, syslinux_config, unify
from toolkit.images.initrd_python import initrd_files
from toolkit.images.kernel import uncompressed
from toolkit.images.manifest import INITRD, ISO, KERNEL, Manifest
from toolkit.images.materials import Materials
from toolkit.images.recipe import IsoLayout

JOB_FILE, IMAGE_FILE, IMAGE_FACTS = "job.json", "image.zst", "image.json"
"""What lies in the ISO's root folder: room for a job, the image contained, and that image's hash and size."""
JOB_BYTES = 64 << 10

_PROGRAMS = "usr/lib/rebox/python"
_EFI_VOLUME = "boot/efi.img"
_EFI_BYTES = 31 << 20
_IMAGE_LEVEL, _INITRD_LEVEL = 9, 15


def make_iso(materials: Materials, layout: IsoLayout, image: Path, facts: Manifest) -> tuple[str, ...]:
    """The names of the files that were made, the ISO first; `image` is the folder of the image contained.

    Raises ReboxError, StorageError.
    """
    tree = materials.workshop.scratch / "tree"
    (tree / "boot").mkdir(parents=True)
    materials.progress(0.4, "boot files")
    _boot_files(materials, layout, tree)
    materials.progress(0.6, f"compressing {facts.name}")
    _compress(image / facts.image, tree / IMAGE_FILE)
    known = {"name": facts.name, "sha256": facts.sha256, "size_bytes": facts.files[facts.image].size_bytes}
    (tree / IMAGE_FACTS).write_text(json.dumps(known) + "\n", encoding="ascii")
    (tree / JOB_FILE).write_bytes(b" " * JOB_BYTES)
    materials.progress(0.85, "ISO")
    _write(materials, layout, tree)
    return ISO, KERNEL, INITRD


def _boot_files(materials: Materials, layout: IsoLayout, tree: Path) -> None:
    workshop, kernel, command_line = materials.workshop, materials.kernel, materials.recipe.command_line
    workshop.run("depmod", "--basedir", kernel.folder, kernel.version)
    programs = initrd_files(materials, layout.initrd_files, _PROGRAMS)
    lists = kernel.folder / "lib" / "modules" / kernel.version
    plain = make_initrd(materials.folder, kernel, lists, materials.unpacked, programs)
    # less to read for a firmware that reads slowly
    initrd = zstandard.ZstdCompressor(level=_INITRD_LEVEL).compress(plain)
    (materials.target / KERNEL).write_bytes(uncompressed(kernel.image))
    (materials.target / INITRD).write_bytes(plain)
    (tree / "boot" / "vmlinuz").write_bytes(kernel.image)
    (tree / "boot" / "initrd").write_bytes(initrd)
    unified = workshop.scratch / "unified.efi"
    parts = {
        "osrel": f"ID=rebox\nPRETTY_NAME={materials.recipe.description}\n".encode(),
        "cmdline": command_line.encode(),
        "linux": kernel.image,
        "initrd": initrd,
    }
    unify(workshop, materials.efi_stub, parts, unified)
    # a boot catalogue counts at most 65535 sectors of 512 bytes: a firmware would see no more of the volume
    start_volume(
        workshop, tree / _EFI_VOLUME, layout.start_id, {"EFI/BOOT/BOOTX64.EFI": unified},
        size_bytes=_EFI_BYTES, bits=16,
    )  # fmt: skip
    starter = tree / "isolinux"
    starter.mkdir()
    (starter / "isolinux.bin").write_bytes((materials.unpacked / "usr/lib/ISOLINUX/isolinux.bin").read_bytes())
    library = materials.unpacked / "usr/lib/syslinux/modules/bios/ldlinux.c32"
    (starter / "ldlinux.c32").write_bytes(library.read_bytes())
    config = syslinux_config(command_line, "/boot/vmlinuz", "/boot/initrd")
    (starter / "isolinux.cfg").write_text(config, encoding="ascii")


def _compress(image: Path, target: Path) -> None:
    compressor = zstandard.ZstdCompressor(level=_IMAGE_LEVEL, write_checksum=True)
    with image.open("rb") as source, target.open("wb") as file:
        compressor.copy_stream(source, file, size=image.stat().st_size)


def _write(materials: Materials, layout: IsoLayout, tree: Path) -> None:
    # the numbers of volume and partitions come from SOURCE_DATE_EPOCH, the files' dates do not
    materials.workshop.run(
        "xorriso", "-no_rc", "-as", "mkisofs", "-quiet", "-output", materials.target / ISO, "-volid", layout.label,
        "-iso-level", "3", "-rational-rock", "--set_all_file_dates", f"={materials.recipe.epoch}",
        "-isohybrid-mbr", materials.unpacked / "usr/lib/ISOLINUX/isohdpfx.bin",
        "-eltorito-boot", "isolinux/isolinux.bin", "-eltorito-catalog", "isolinux/boot.cat",
        "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
        "-eltorito-alt-boot", "-e", _EFI_VOLUME, "-no-emul-boot", "-isohybrid-gpt-basdat", tree,
    )  # fmt: skip
