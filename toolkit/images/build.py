"""Builds an image: packages, files, kernel, disk; the same recipe and package list give the same bytes."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from toolkit.images.boot_files import make_initrd, unify
from toolkit.images.cache import ImageCache
from toolkit.images.debian import Apt, DebianPackage, lay_repository
from toolkit.images.disk import BootFiles, write_disk
from toolkit.images.kernel import Kernel, uncompressed, unpack_kernel
from toolkit.images.manifest import (
    DISK,
    INITRD,
    KERNEL,
    MANIFEST,
    PACKAGES,
    SBOM,
    Manifest,
    PackageList,
    record,
    records,
)  # fmt: skip
from toolkit.images.programs import Workshop, disk_full
from toolkit.images.python_packages import install, locked
from toolkit.images.recipe import Recipe, RecipeFolder
from toolkit.images.root_tree import build_tree
from toolkit.images.sbom import sbom
from toolkit.model.errors import VerificationError

Progress = Callable[[float, str], None]
_FREE_BYTES_MIN = 3 << 30


@dataclass(frozen=True)
class Image:
    """A built image: where it lies, what it is, and whether it was there before."""

    folder: Path
    manifest: Manifest
    was_there: bool


def build(
    folder: RecipeFolder,
    cache: ImageCache,
    *,
    packages: PackageList | None = None,
    fresh: bool = False,
    progress: Progress = lambda _fraction, _phase: None,
    wait: bool = True,
) -> Image:
    """The recipe's image, built unless it is there.

    `packages` builds from exactly that list; `fresh` looks for today's packages even if there is an image. Raises
    InputError, RefusedError (another build runs and `wait` is off), StorageError, ReboxError.
    """
    key = _key(folder, packages)
    if not fresh and (manifest := cache.find(key)):
        return Image(cache.place(key), manifest, was_there=True)
    waiting = (lambda: progress(0.0, "waiting for another build")) if wait else None
    with cache.building(waiting) as lock:
        if not fresh and (manifest := cache.find(key)):
            return Image(cache.place(key), manifest, was_there=True)
        if shutil.disk_usage(cache.folder).free < _FREE_BYTES_MIN:
            raise disk_full(cache.folder)
        with cache.new(key) as unfinished:
            scratch = unfinished / "scratch"
            scratch.mkdir()
            manifest = _Build(folder, cache, unfinished, Workshop(scratch, folder.recipe.epoch, lock), progress).run(
                packages
            )
            shutil.rmtree(scratch)
    return Image(cache.place(key), manifest, was_there=False)


def _key(folder: RecipeFolder, packages: PackageList | None) -> str:
    recipe = folder.hash()
    return recipe if packages is None else sha256(recipe.encode() + packages.as_bytes()).hexdigest()


class _Build:
    def __init__(
        self, folder: RecipeFolder, cache: ImageCache, target: Path, workshop: Workshop, progress: Progress
    ) -> None:
        self._folder = folder
        self._recipe: Recipe = folder.recipe
        # taken once, at the start: sources that change meanwhile make the image outdated, not wrongly labelled
        self._hash = folder.hash()
        self._cache = cache
        self._target = target
        self._workshop = workshop
        self._progress = progress

    def run(self, wanted: PackageList | None) -> Manifest:
        """Leaves the image's files in the target folder."""
        began = time.monotonic()
        debian = self._debian(wanted)
        self._progress(0.2, "Python packages")
        python_folder = self._workshop.scratch / "python"
        python = install(self._workshop, locked(self._recipe.python), python_folder)
        if wanted is not None and python != wanted.python:
            raise VerificationError(
                "other Python packages than the list's were installed", where=self._folder.name,
                next_move="Build with the toolkit's version that the list was made with.",
            )  # fmt: skip
        packages = PackageList(suite=self._recipe.suite, debian=debian, python=python)
        self._progress(0.25, "kernel")
        kernel = unpack_kernel(self._workshop, self._store(debian, lambda name: name.startswith("linux-image-")))
        others = self._workshop.scratch / "unpacked"
        for name in self._recipe.unpacked:
            self._workshop.run("dpkg-deb", "--extract", self._store(debian, name.__eq__), others)
        repository = self._workshop.scratch / "repository"
        installed = [one for one in debian if one.use == "installed"]
        lay_repository(self._workshop, self._recipe.suite, installed, self._cache.packages, repository)
        self._progress(0.35, "installing Debian's packages")
        tree = build_tree(
            self._workshop, self._folder, debian, repository=repository, python=python_folder, kernel=kernel
        )
        self._progress(0.75, "boot files")
        boot = self._boot_files(tree, kernel, others)
        self._progress(0.8, "disk")
        write_disk(self._workshop, self._recipe, tree, boot, self._target / DISK)
        self._progress(0.95, "hashes")
        return self._describe(packages, kernel.version, began)

    def _debian(self, wanted: PackageList | None) -> tuple[DebianPackage, ...]:
        self._progress(0.0, "looking for Debian's packages")
        apt = Apt(self._workshop, self._recipe.suite)
        packages = apt.resolve(self._recipe) if wanted is None else wanted.debian
        self._progress(0.05, "fetching Debian's packages")
        apt.fetch(packages, self._cache.packages)
        return packages

    def _store(self, packages: tuple[DebianPackage, ...], chosen: Callable[[str], bool]) -> Path:
        (found,) = (one for one in packages if one.use == "unpacked" and chosen(one.name))
        return self._cache.packages / f"{found.sha256}.deb"

    def _boot_files(self, tree: Path, kernel: Kernel, others: Path) -> BootFiles:
        lists = self._workshop.scratch / "lists"
        lists.mkdir()
        modules, release = f"usr/lib/modules/{kernel.version}", "usr/lib/os-release"
        self._workshop.run("tar", "--extract", "--file", tree, "--directory", lists, f"./{modules}", f"./{release}")
        initrd = make_initrd(self._folder, kernel, lists / modules, others)
        (self._target / KERNEL).write_bytes(uncompressed(kernel.image))
        (self._target / INITRD).write_bytes(initrd)
        packed, unified = self._workshop.scratch / "vmlinuz", self._workshop.scratch / "unified.efi"
        packed.write_bytes(kernel.image)
        parts = {
            "osrel": (lists / release).read_bytes(),
            "cmdline": self._recipe.command_line.encode(),
            "linux": kernel.image,
            "initrd": initrd,
        }
        unify(self._workshop, others / "usr/lib/systemd/boot/efi/linuxx64.efi.stub", parts, unified)
        return BootFiles(packed, self._target / INITRD, unified, others / "usr" / "lib" / "syslinux" / "mbr")

    def _describe(self, packages: PackageList, version: str, began: float) -> Manifest:
        (self._target / PACKAGES).write_bytes(packages.as_bytes())
        disk = record(self._target / DISK)
        (self._target / SBOM).write_bytes(sbom(self._folder.name, self._hash[:16], self._recipe.suite, packages, disk))
        files = records(self._target / name for name in (KERNEL, INITRD, PACKAGES, SBOM))
        manifest = Manifest(
            name=self._folder.name,
            description=self._recipe.description,
            recipe_sha256=self._hash,
            kernel_version=version,
            command_line=self._recipe.command_line,
            root_uuid=self._recipe.root_uuid,
            build_seconds=round(time.monotonic() - began, 1),
            files={DISK: disk, **files},
        )
        (self._target / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return manifest
