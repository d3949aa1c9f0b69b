"""A Python that runs from an initrd: its files and what it loads, compiled, without what nobody imports there."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from toolkit.images.archives import Entry, entry_of
from toolkit.images.materials import Materials
from toolkit.model.errors import InputError

_LIBRARIES = "lib/x86_64-linux-gnu"
_INTERPRETER = "usr/bin/python3.11"


def initrd_files(materials: Materials, patterns: Sequence[str], folder: str) -> list[Entry]:
    """The unpacked packages' files that match, and the toolkit's own below `folder`; what is Python is compiled.

    Raises InputError when a pattern matches nothing, ReboxError.
    """
    unpacked = materials.unpacked
    chosen = []
    for pattern in patterns:
        found = [path for path in sorted(unpacked.glob(pattern)) if path.is_symlink() or path.is_file()]
        if not found:
            raise InputError("no file matches", where=pattern, next_move="Correct the recipe's initrd_files.")
        chosen += [(str(path.relative_to(unpacked)), path) for path in found]
    chosen += [(f"{folder}/{place}", path) for place, path in materials.folder.sources()]
    # a path of before /usr was merged
    merged = [(f"usr/{place}" if place.startswith(("lib/", "sbin/")) else place, path) for place, path in chosen]
    return [*_compiled(materials, merged), *(entry_of(*one) for one in merged if one[1].suffix != ".py")]


def _compiled(materials: Materials, files: Iterable[tuple[str, Path]]) -> list[Entry]:
    """By the image's own interpreter, so that it need not do it at every start; the same twice."""
    folder = materials.workshop.scratch / "compiled"
    for place, path in files:
        if path.suffix == ".py":
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(path.read_bytes())
    unpacked = materials.unpacked
    materials.workshop.run(
        unpacked / _LIBRARIES / "ld-linux-x86-64.so.2",
        "--library-path", f"{unpacked / _LIBRARIES}:{unpacked / 'usr' / _LIBRARIES}",
        unpacked / _INTERPRETER, "-IS", "-m", "compileall", "-q", "-b", "-j1",
        "-s", folder, "-p", "/", "--invalidation-mode", "unchecked-hash", folder,
        environment={"PYTHONHOME": str(unpacked / "usr"), "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    return [entry_of(str(path.relative_to(folder)), path) for path in folder.rglob("*.pyc")]
