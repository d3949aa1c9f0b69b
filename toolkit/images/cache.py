"""Where built images lie: one folder per recipe hash, whole or not there; one build of an image at a time."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.images.manifest import Manifest, read_manifest
from toolkit.images.programs import not_kept
from toolkit.model.errors import RefusedError
from toolkit.storage.entries import sync_folder

_UNFINISHED = ".unfinished-"


def cache_folder() -> Path:
    """`$REBOX_CACHE`, else `rebox` in the user's cache folder (XDG Base Directory Specification)."""
    given = os.environ.get("REBOX_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rebox"


class ImageCache:
    """The images of one name. An image is found by its recipe's hash, or by that and its package list's."""

    def __init__(self, name: str, root: Path | None = None) -> None:
        self.root = root or cache_folder()
        self.folder = self.root / "images" / name
        self.packages = self.root / "packages"
        """Debian packages, each named by its SHA-256."""

    def place(self, key: str) -> Path:
        """Where the image with this key lies, or will."""
        return self.folder / key[:32]

    def find(self, key: str) -> Manifest | None:
        """The image's manifest if it is there and no file was cut short; contents are `verify`'s to check."""
        place = self.place(key)
        manifest = read_manifest(place)
        if manifest is None:
            return None
        for name, one in manifest.files.items():
            path = place / name
            if not path.is_file() or path.stat().st_size != one.size_bytes:
                return None
        return manifest

    def images(self) -> list[tuple[Path, Manifest]]:
        """All images of this name, the newest first."""
        found = [(path, manifest) for path in self._folders() if (manifest := read_manifest(path)) is not None]
        return sorted(found, key=lambda one: one[0].stat().st_mtime, reverse=True)

    @contextmanager
    def building(self, waiting: Callable[[], None] | None) -> Iterator[int]:
        """Held while an image is built; yields the lock's descriptor, for programs to inherit.

        `waiting` is called when another build runs; None refuses instead (RefusedError). A program that a killed
        build left behind still holds the lock: nobody writes into a folder that is being cleared.
        """
        try:
            for folder in (self.folder, self.packages):
                folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise not_kept(self.folder, error) from None
        try:
            self._lock(handle, waiting)
            for left in self.folder.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield handle
        finally:
            os.close(handle)

    @contextmanager
    def new(self, key: str) -> Iterator[Path]:
        """An empty folder that becomes the image when the block ends well, and vanishes when it does not."""
        place = self.place(key)
        try:
            unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.folder))
        except OSError as error:
            raise not_kept(self.folder, error) from None
        try:
            yield unfinished
            _sync(unfinished)
            if place.exists():
                shutil.rmtree(place)
            unfinished.chmod(0o755)
            unfinished.rename(place)
            sync_folder(self.folder)
        except OSError as error:
            raise not_kept(self.folder, error) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _lock(self, handle: int, waiting: Callable[[], None] | None) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is None:
                raise RefusedError(
                    "this image is being built already",
                    where=str(self.folder),
                    why="another process holds the lock",
                    next_move="Wait until it has ended.",
                ) from None
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)

    def _folders(self) -> list[Path]:
        return [path for path in self.folder.glob("*") if path.is_dir() and not path.name.startswith(".")]


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    sync_folder(folder)
