"""The medium that a box's data lies on, read past every file system: an ext4 image behind a loop device, or the files.

With the right to use loop devices a box's disk is mounted from an image, whose bytes are looked through with grep(1):
blocks that the file system has given back, its journal and its inodes among them. Without it the files are looked at.
"""

import contextlib
import mmap
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

IMAGE_MB = 40


class RawDisk:
    """`folder` is where a box's disk may be made; `image` the bytes below it, None where there is no loop device."""

    def __init__(self, folder: Path, image: Path | None) -> None:
        self.folder = folder
        self.image = image

    def found(self, *needles: bytes) -> list[bytes]:
        """Those of the needles that can be read on the medium."""
        if self.image is None:
            files = [path for path in self.folder.rglob("*") if path.is_file()]
            names = b"\0".join(os.fsencode(path.name) for path in self.folder.rglob("*"))
            content = b"\0".join(path.read_bytes() for path in files) + names
            return [needle for needle in needles if needle in content]
        subprocess.run(["sync", "-f", str(self.folder)], check=True)
        text = [needle for needle in needles if needle.isascii() and needle.decode("ascii").isprintable()]
        return [*self._grep(self.image, text), *self._search(self.image, [one for one in needles if one not in text])]

    def _grep(self, image: Path, needles: Sequence[bytes]) -> list[bytes]:
        """All in one pass, by a reader that is not ours."""
        patterns = [option for needle in needles for option in (b"-e", needle)]
        ended = subprocess.run(
            ["grep", "-a", "-o", "-F", *patterns, image],
            check=False,
            capture_output=True,
            env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        )
        assert ended.returncode in (0, 1), ended.stderr
        return sorted(set(ended.stdout.splitlines()))

    def _search(self, image: Path, needles: Sequence[bytes]) -> list[bytes]:
        with image.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
            return [needle for needle in needles if content.find(needle) >= 0]


@contextlib.contextmanager
def raw_disk(folder: Path, like: RawDisk | None = None) -> Iterator[RawDisk]:
    """A medium for one box: new, or with all that another one has, which nobody uses meanwhile."""
    mounted, image = folder / "medium", folder / "medium.img"
    mounted.mkdir()
    if os.getuid() != 0 or (like is not None and like.image is None):
        if like is not None:
            shutil.copytree(like.folder, mounted, dirs_exist_ok=True)
        yield RawDisk(mounted, None)
        return
    if like is not None and like.image is not None:
        subprocess.run(["sync", "-f", str(like.folder)], check=True)
        subprocess.run(["cp", "--sparse=always", like.image, image], check=True)
    else:
        with image.open("wb") as file:
            file.truncate(IMAGE_MB << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, mounted], check=False, capture_output=True).returncode:
        assert like is None
        yield RawDisk(mounted, None)
        return
    try:
        yield RawDisk(mounted, image)
    finally:
        subprocess.run(["umount", "--lazy", mounted], check=True)
        image.unlink()
