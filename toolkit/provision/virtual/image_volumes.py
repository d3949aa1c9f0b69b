"""An image's files in a storage pool: named by their hashes, so that they are uploaded once and serve every machine."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolkit.images.manifest import DISK, INITRD, KERNEL, Manifest
from toolkit.provision.virtual.volumes import Pool


@dataclass(frozen=True)
class ImageVolumes:
    """Names in the pool."""

    disk: str
    kernel: str
    initrd: str


def image_volumes(manifest: Manifest) -> ImageVolumes:
    """Names for an image's files, whether they are there or not."""
    return ImageVolumes(*(f"rebox-{name}-{manifest.files[name].sha256[:32]}" for name in (DISK, KERNEL, INITRD)))


def image_bytes_missing(pool: Pool, manifest: Manifest) -> int:
    """How much would have to be uploaded."""
    names = image_volumes(manifest)
    wanted = ((names.disk, DISK), (names.kernel, KERNEL), (names.initrd, INITRD))
    return sum(manifest.files[file].size_bytes for volume, file in wanted if not pool.has(volume))


def provide_image(pool: Pool, folder: Path, manifest: Manifest, progress: Callable[[float, str], None]) -> ImageVolumes:
    """Has disk, kernel and initrd in the pool, each verified by its hash; raises as `Pool.provide_file` does."""
    names = image_volumes(manifest)
    wanted = ((names.kernel, KERNEL), (names.initrd, INITRD), (names.disk, DISK))
    total = sum(manifest.files[file].size_bytes for _, file in wanted)
    done = 0
    for volume, file in wanted:
        expected = manifest.files[file]

        def said(fraction: float, base: int = done, size: int = expected.size_bytes) -> None:
            progress((base + fraction * size) / total, "bringing the image to the host")

        pool.provide_file(volume, folder / file, expected, said)
        done += expected.size_bytes
    return names
