"""Finds a built image by what people call it: its recipe's name, or the folder it lies in."""

from collections.abc import Callable
from pathlib import Path

from toolkit.images.cache import ImageCache
from toolkit.images.manifest import MANIFEST, Manifest, read_manifest
from toolkit.images.recipe import RecipeFolder
from toolkit.model.errors import InputError


def find_built(recipe: str) -> tuple[Path, Manifest]:
    """Folder and manifest of the image of a recipe; raises InputError when it is not built from today's recipe."""
    cache, key = ImageCache(recipe), RecipeFolder(recipe).hash()
    manifest = cache.find(key)
    if manifest is None:
        raise InputError(
            f"the image {recipe} is not built, or its recipe has changed since",
            where=str(cache.folder),
            next_move=f"Build it: rebox image build {recipe}",
        )
    return cache.place(key), manifest


def find_image(name: str, path: Callable[[str], Path]) -> tuple[Path, Manifest]:
    """The image that an inventory's `provision.image` means; `path` finds its folders. Raises InputError."""
    if "/" not in name:
        return find_built(name)
    folder = path(name)
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError(
            "this folder holds no image",
            where=str(folder),
            why=f"it has no {MANIFEST}, or one that cannot be read",
            next_move="Give the folder that rebox image list shows, or a recipe's name, in provision.image.",
        )
    return folder, manifest
