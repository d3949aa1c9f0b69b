"""The seed of a box: a small FAT disk, found by its label, that tells a new box at its first power-on who it is."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from toolkit.images.programs import Workshop

LABEL = "REBOX-SEED"
_BYTES = 2 << 20


def write_seed(
    workshop: Workshop, order: Mapping[str, JsonValue], seed: Path, *, authorized_keys: Sequence[str] = ()
) -> None:
    """Writes the seed, mode 0600; the order's fields are the box's own (docs/images.md). Raises ReboxError.

    The one-time admin password belongs in it as a hash only: whoever reads the seed must not be able to log in.
    """
    files = {"order.json": json.dumps(dict(order), indent=1).encode()}
    if authorized_keys:
        files["authorized_keys"] = "".join(f"{key}\n" for key in authorized_keys).encode()
    seed.touch(mode=0o600)
    with seed.open("wb") as file:
        file.truncate(_BYTES)
    workshop.run("mkfs.vfat", "-n", LABEL, seed)
    for name, content in files.items():
        workshop.run("mcopy", "-i", seed, "-", f"::/{name}", stdin=content)
