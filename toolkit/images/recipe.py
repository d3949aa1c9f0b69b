"""A recipe: what goes into an image, as data in `vm_images/NAME/`; its hash says whether a built image is still it."""

import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

import toolkit
from toolkit.model.errors import InputError, words_of

_TOOLKIT = Path(toolkit.__file__).parent
RECIPES = _TOOLKIT.parent / "vm_images"
PYTHON_LOCK = _TOOLKIT.parent / "packages" / "python.lock"

# modules of this package that change nothing in an image, or nothing in one of this kind; what is not named counts
_BESIDE = {"built.py", "cache.py", "installer_job.py", "iso9660.py", "seed.py", "verify.py"}
_DISK_ONLY = {"disk.py", "disk_image.py", "root_tree.py"}
_ISO_ONLY = {"iso_image.py", "initrd_python.py"}

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]*$")]
_Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


_VolumeId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{8}$")]


class DiskLayout(BaseModel):
    """A disk with an installed system: a FAT partition that starts it (`start_id`), and its root file system."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size_mb: int = Field(ge=256, le=16384)
    start_id: _VolumeId
    root_uuid: _Uuid
    hash_seed: _Uuid
    disk_uuid: _Uuid


class IsoLayout(BaseModel):
    """An ISO that runs from its initrd and holds the image of another recipe, `contains`.

    `initrd_files` are patterns (glob) of files of the unpacked packages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Annotated[str, StringConstraints(pattern="^[A-Z0-9-]{1,32}$")]
    start_id: _VolumeId
    contains: _Name
    initrd_files: tuple[str, ...]


class Recipe(BaseModel):
    """What `recipe.toml` says, and either `disk` or `iso`; sizes in MiB, `epoch` in seconds since 1970."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str
    suite: _Name
    epoch: int = Field(gt=0)
    command_line: str
    packages: tuple[_Name, ...] = ()
    kernel: _Name
    unpacked: tuple[_Name, ...]
    python: tuple[_Name, ...] = ()
    toolkit: tuple[str, ...] = ()
    boot_modules: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    disk: DiskLayout | None = None
    iso: IsoLayout | None = None

    @model_validator(mode="after")
    def _one_layout(self) -> "Recipe":
        if (self.disk is None) == (self.iso is None):
            raise ValueError("a recipe has either [disk] or [iso]")
        return self


class RecipeFolder:
    """A recipe with its folder: `root/` is laid over the image's files, `initrd/` holds the initrd's `init`."""

    def __init__(self, name: str, recipes: Path = RECIPES) -> None:
        """Raises InputError when there is no such recipe or it is wrong."""
        self.name = name
        self.path = recipes / name
        self.recipe = _read(self.path / "recipe.toml", recipes)

    def overlay(self) -> Iterator[tuple[str, Path]]:
        """What is laid over the image's files: place in the image, file here; sorted by place."""
        root = self.path / "root"
        yield from sorted((str(path.relative_to(root)), path) for path in _files(root))

    def sources(self) -> Iterator[tuple[str, Path]]:
        """The toolkit's own files that go in: place below the folder of Python packages, file here; sorted."""
        found = [
            path
            for part in self.recipe.toolkit
            for path in (_files(_TOOLKIT / part) if (_TOOLKIT / part).is_dir() else [_TOOLKIT / part])
        ]
        yield from sorted((f"toolkit/{path.relative_to(_TOOLKIT)}", path) for path in found)

    def contained(self) -> "RecipeFolder | None":
        """The recipe whose image lies in this one's; raises InputError."""
        return None if self.recipe.iso is None else RecipeFolder(self.recipe.iso.contains, self.path.parent)

    def hash(self) -> str:
        """SHA-256 (hex) over everything the image is made from, but for the packages' versions."""
        digest = sha256()
        own = [(str(path.relative_to(self.path)), path) for path in _files(self.path)]
        others = _BESIDE | (_DISK_ONLY if self.recipe.disk is None else _ISO_ONLY)
        builders = [(path.name, path) for path in _files(_TOOLKIT / "images") if path.name not in others]
        for kind, files in (
            ("recipe", sorted(own)),
            ("sources", list(self.sources())),
            ("builder", sorted(builders)),
            ("lock", [("python.lock", PYTHON_LOCK)] if self.recipe.python else []),
        ):
            for place, path in files:
                content = path.read_bytes()
                mode = path.lstat().st_mode & 0o111
                digest.update(f"{kind}\0{place}\0{mode}\0{len(content)}\0".encode() + content)
        if contained := self.contained():
            digest.update(f"contained\0{contained.name}\0{contained.hash()}".encode())
        return digest.hexdigest()


def recipe_names(recipes: Path = RECIPES) -> tuple[str, ...]:
    """The names of all recipes, sorted."""
    return tuple(sorted(path.parent.name for path in recipes.glob("*/recipe.toml")))


def _read(path: Path, recipes: Path) -> Recipe:
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        known = ", ".join(recipe_names(recipes)) or "none"
        raise InputError(
            "there is no such recipe", where=str(path.parent.name), next_move=f"Choose one of {recipes}: {known}."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            "the recipe is not TOML", where=str(path), why=words_of(error), next_move="Correct it."
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{name} cannot be used", where=str(path), why=first["msg"], next_move="Correct it.") from None


def _files(folder: Path) -> list[Path]:
    return [
        path for path in folder.rglob("*") if (path.is_file() or path.is_symlink()) and "__pycache__" not in path.parts
    ]
