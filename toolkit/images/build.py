"""Builds an image: fetches its packages, and makes a disk or an ISO; the same recipe and list give the same bytes."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from toolkit.images.cache import ImageCache
from toolkit.images.debian import Apt, DebianPackage
from toolkit.images.disk_image import make_disk
from toolkit.images.iso_image import make_iso
from toolkit.images.kernel import unpack_kernel
from toolkit.images.manifest import MANIFEST, PACKAGES, SBOM, Manifest, PackageList, read_packages, record
from toolkit.images.materials import Materials, Progress
from toolkit.images.programs import Workshop, disk_full
from toolkit.images.python_packages import PythonPackage, install, locked
from toolkit.images.recipe import RecipeFolder
from toolkit.images.sbom import sbom
from toolkit.model.errors import ReboxError, VerificationError

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
    """The recipe's image, built unless it is there; so is the image that it contains.

    `packages` builds from exactly that list; `fresh` looks for today's packages even if there is an image. Raises
    InputError, RefusedError (another build runs and `wait` is off), StorageError, ReboxError.
    """
    key = _key(folder, packages)
    if not fresh and (image := _find(folder, cache, key, packages)):
        return image
    contained = None
    if within := folder.contained():
        listed = None if packages is None else packages.contained
        contained = build(
            within, ImageCache(within.name, cache.root), packages=listed, fresh=fresh, progress=progress, wait=wait
        )
        # minutes may have gone by: the image is found by what it is made from, not by what was there before
        key = _key(folder, packages)
    waiting = (lambda: progress(0.0, "waiting for another build")) if wait else None
    with cache.building(waiting) as lock:
        if not fresh and (image := _find(folder, cache, key, packages)):
            return image
        if shutil.disk_usage(cache.folder).free < _FREE_BYTES_MIN:
            raise disk_full(cache.folder)
        with cache.new(key) as unfinished:
            scratch = unfinished / "scratch"
            scratch.mkdir()
            workshop = Workshop(scratch, folder.recipe.epoch, lock)
            manifest = _Build(folder, cache, unfinished, workshop, progress).run(packages, contained)
            shutil.rmtree(scratch)
    return Image(cache.place(key), manifest, was_there=False)


def _key(folder: RecipeFolder, packages: PackageList | None) -> str:
    recipe = folder.hash()
    return recipe if packages is None else sha256(recipe.encode() + packages.as_bytes()).hexdigest()


def _find(folder: RecipeFolder, cache: ImageCache, key: str, packages: PackageList | None) -> Image | None:
    if manifest := cache.find(key):
        return Image(cache.place(key), manifest, was_there=True)
    if packages is not None:
        # today's packages may have been just these
        plain = folder.hash()
        manifest = cache.find(plain)
        if manifest and manifest.files[PACKAGES].sha256 == sha256(packages.as_bytes()).hexdigest():
            return Image(cache.place(plain), manifest, was_there=True)
    return None


class _Build:
    def __init__(
        self,
        folder: RecipeFolder,
        cache: ImageCache,
        target: Path,
        workshop: Workshop,
        progress: Progress,
    ) -> None:
        self._folder = folder
        self._recipe = folder.recipe
        # taken once, at the start: sources that change meanwhile make the image outdated, not wrongly labelled
        self._hash = folder.hash()
        self._store = cache.packages
        self._target = target
        self._workshop = workshop
        self._progress = progress

    def run(self, wanted: PackageList | None, contained: Image | None) -> Manifest:
        """Leaves the image's files in the target folder."""
        began = time.monotonic()
        debian = self._debian(wanted)
        python_folder = self._workshop.scratch / "python"
        python = self._python(wanted, python_folder)
        packages = PackageList(
            suite=self._recipe.suite,
            debian=debian,
            python=python,
            contained=contained and read_packages(contained.folder / PACKAGES),
        )
        self._progress(0.25, "kernel")
        kernel = unpack_kernel(self._workshop, self._deb(debian, lambda name: name.startswith("linux-image-")))
        unpacked = self._workshop.scratch / "unpacked"
        for name in self._recipe.unpacked:
            self._workshop.run("dpkg-deb", "--extract", self._deb(debian, name.__eq__), unpacked)
        materials = Materials(
            workshop=self._workshop,
            folder=self._folder,
            target=self._target,
            debian=debian,
            store=self._store,
            python=python_folder,
            kernel=kernel,
            unpacked=unpacked,
            progress=self._progress,
        )
        names = self._make(materials, contained)
        self._progress(0.95, "hashes")
        return self._describe(packages, kernel.version, names, began)

    def _make(self, materials: Materials, contained: Image | None) -> tuple[str, ...]:
        if self._recipe.disk is not None:
            return make_disk(materials, self._recipe.disk)
        if self._recipe.iso is None or contained is None:
            raise ReboxError("the recipe says neither disk nor ISO", where=self._folder.name)
        return make_iso(materials, self._recipe.iso, contained.folder, contained.manifest)

    def _debian(self, wanted: PackageList | None) -> tuple[DebianPackage, ...]:
        self._progress(0.0, "looking for Debian's packages")
        apt = Apt(self._workshop, self._recipe.suite)
        packages = apt.resolve(self._recipe) if wanted is None else wanted.debian
        self._progress(0.05, "fetching Debian's packages")
        apt.fetch(packages, self._store)
        return packages

    def _python(self, wanted: PackageList | None, folder: Path) -> tuple[PythonPackage, ...]:
        if not self._recipe.python:
            return ()
        self._progress(0.2, "Python packages")
        python = install(self._workshop, locked(self._recipe.python), folder)
        if wanted is not None and python != wanted.python:
            raise VerificationError(
                "other Python packages than the list's were installed", where=self._folder.name,
                next_move="Build with the toolkit's version that the list was made with.",
            )  # fmt: skip
        return python

    def _deb(self, packages: tuple[DebianPackage, ...], chosen: Callable[[str], bool]) -> Path:
        (found,) = (one for one in packages if one.use == "unpacked" and chosen(one.name))
        return self._store / f"{found.sha256}.deb"

    def _describe(self, packages: PackageList, version: str, names: tuple[str, ...], began: float) -> Manifest:
        (self._target / PACKAGES).write_bytes(packages.as_bytes())
        made = {name: record(self._target / name) for name in names}
        (self._target / SBOM).write_bytes(
            sbom(self._folder.name, self._hash[:16], self._recipe.suite, packages, made[names[0]])
        )
        manifest = Manifest(
            name=self._folder.name,
            description=self._recipe.description,
            recipe_sha256=self._hash,
            kernel_version=version,
            command_line=self._recipe.command_line,
            root_uuid="" if self._recipe.disk is None else self._recipe.disk.root_uuid,
            build_seconds=round(time.monotonic() - began, 1),
            files={**made, **{name: record(self._target / name) for name in (PACKAGES, SBOM)}},
        )
        (self._target / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return manifest
