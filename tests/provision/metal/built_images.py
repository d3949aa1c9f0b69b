"""A cache that holds an installer and an appliance as far as a test needs them: an ISO with room for a job."""

import json
import subprocess
from pathlib import Path
from typing import Any

from toolkit.images.cache import ImageCache
from toolkit.images.iso9660 import find_file
from toolkit.images.iso_image import JOB_BYTES, JOB_FILE
from toolkit.images.manifest import DISK, ISO, MANIFEST, Manifest, record
from toolkit.images.recipe import RecipeFolder


def put_images(scratch: Path) -> None:
    """Into the cache that REBOX_CACHE names."""
    tree = scratch / "tree"
    tree.mkdir()
    (tree / JOB_FILE).write_bytes(b" " * JOB_BYTES)
    iso = scratch / "installer.iso"
    subprocess.run(
        ["xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "3", "-o", iso, tree], check=True, capture_output=True
    )
    for name, file, content in (("installer", ISO, iso.read_bytes()), ("appliance", DISK, b"a disk")):
        cache, key = ImageCache(name), RecipeFolder(name).hash()
        with cache.building(None), cache.new(key) as folder:
            (folder / file).write_bytes(content)
            manifest = Manifest(
                name=name, description="", recipe_sha256=key, kernel_version="6.1", command_line="",
                build_seconds=1.0, files={file: record(folder / file)},
            )  # fmt: skip
            (folder / MANIFEST).write_text(manifest.model_dump_json())


def job_in(iso: Path) -> dict[str, Any]:
    """The job that an ISO holds."""
    place = find_file(iso, JOB_FILE)
    with iso.open("rb") as file:
        file.seek(place.offset)
        found: dict[str, Any] = json.loads(file.read(place.size_bytes))
    return found
