"""An installed system as a disk: Debian's packages and our files as root file system, with what starts it."""

from pathlib import Path

from toolkit.images.boot_files import make_initrd, unify
from toolkit.images.debian import lay_repository
from toolkit.images.disk import BootFiles, write_disk
from toolkit.images.kernel import uncompressed
from toolkit.images.manifest import DISK, INITRD, KERNEL
from toolkit.images.materials import Materials
from toolkit.images.recipe import DiskLayout
from toolkit.images.root_tree import build_tree


def make_disk(materials: Materials, layout: DiskLayout) -> tuple[str, ...]:
    """The names of the files that were made, the disk first. Raises ReboxError, StorageError."""
    workshop = materials.workshop
    repository = workshop.scratch / "repository"
    installed = [one for one in materials.debian if one.use == "installed"]
    lay_repository(workshop, materials.recipe.suite, installed, materials.store, repository)
    materials.progress(0.35, "installing Debian's packages")
    tree = build_tree(
        workshop, materials.folder, materials.debian,
        repository=repository, python=materials.python, kernel=materials.kernel,
    )  # fmt: skip
    materials.progress(0.75, "boot files")
    boot = _boot_files(materials, tree)
    materials.progress(0.8, "disk")
    write_disk(workshop, layout, tree, boot, materials.target / DISK)
    return DISK, KERNEL, INITRD


def _boot_files(materials: Materials, tree: Path) -> BootFiles:
    workshop, kernel, recipe = materials.workshop, materials.kernel, materials.recipe
    lists = workshop.scratch / "lists"
    lists.mkdir()
    modules, release = f"usr/lib/modules/{kernel.version}", "usr/lib/os-release"
    workshop.run("tar", "--extract", "--file", tree, "--directory", lists, f"./{modules}", f"./{release}")
    initrd = make_initrd(materials.folder, kernel, lists / modules, materials.unpacked)
    (materials.target / KERNEL).write_bytes(uncompressed(kernel.image))
    (materials.target / INITRD).write_bytes(initrd)
    packed, unified = workshop.scratch / "vmlinuz", workshop.scratch / "unified.efi"
    packed.write_bytes(kernel.image)
    parts = {
        "osrel": (lists / release).read_bytes(),
        "cmdline": recipe.command_line.encode(),
        "linux": kernel.image,
        "initrd": initrd,
    }
    unify(workshop, materials.efi_stub, parts, unified)
    syslinux = materials.unpacked / "usr" / "lib" / "syslinux" / "mbr"
    return BootFiles(packed, materials.target / INITRD, unified, syslinux, recipe.command_line)
