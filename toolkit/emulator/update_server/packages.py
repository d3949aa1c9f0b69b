"""What the server offers: one Base and two site packages, their requirements, their content and their EULA texts."""

import hashlib
import io
import json
import random
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["base", "site"]

_FILES: dict[Kind, tuple[tuple[str, int], ...]] = {
    "base": (("system/kernel.img", 3), ("system/root.img", 8), ("system/firmware.bin", 1)),
    "site": (
        ("server/support-site.bin", 6),
        ("clients/representative-console.bin", 3),
        ("clients/jump-client.bin", 2),
        ("clients/customer-client.bin", 1),
    ),
}
"""Paths inside a package and their share of its size, in twelfths."""


@dataclass(frozen=True)
class Package:
    """One package: its layer, its version and what must be installed before it (requirements A2, U2).

    `requires` maps "base" to the least Base version and "site_when_present" to the least site version, which binds
    only boxes that have a site package: a fresh box may start with any.
    """

    kind: Kind
    version: str
    title: str
    requires: Mapping[str, str] = field(default_factory=dict)
    eula: str | None = None

    @property
    def id(self) -> str:
        """Its name in lists and addresses, e.g. "Base-3.3.3" or "Bomgar-12.2.0"."""
        return f"Base-{self.version}" if self.kind == "base" else self.version

    @property
    def archive_path(self) -> str:
        """Where its archive lies among the targets."""
        return f"packages/{self.id}.tar"

    @property
    def eula_path(self) -> str:
        """Where its EULA lies among the targets."""
        return f"eula/{self.id}.txt"


def _eula(version: str) -> str:
    return f"""END USER LICENCE AGREEMENT
{version}

This text stands in for a vendor's licence agreement, so that signing one can be rehearsed.

1. You may install this package on the appliance it was offered to.
2. The number of representatives connected at the same time is bounded by the licences of the package.
3. The package comes without warranty. Take a backup of the settings and export the certificates with their
   private keys before you install it.
4. Installing makes the site unavailable and ends every session; choose a maintenance window.

By signing you say that you have read this text and accept it for {version}.
"""


CATALOGUE = (
    Package("base", "3.3.3", "Base 3.3.3: system software", requires={"base": "3.3.2"}),
    Package(
        "site",
        "Bomgar-12.1.6",
        "Bomgar 12.1.6: site package",
        requires={"base": "3.3.2"},
        eula=_eula("Bomgar-12.1.6"),
    ),
    Package(
        "site",
        "Bomgar-12.2.0",
        "Bomgar 12.2.0: site package",
        requires={"base": "3.3.3", "site_when_present": "Bomgar-12.1.6"},
        eula=_eula("Bomgar-12.2.0"),
    ),
)
"""What a new repository holds."""


def archive(package: Package, *, seed: int, size_bytes: int) -> bytes:
    """The package's archive: a tar of `manifest.json` and about `size_bytes` of content, the same for the same seed.

    The manifest comes first and names every other file with its size and SHA-256.
    """
    source = random.Random(f"{seed}/{package.id}")
    files = {path: source.randbytes(size_bytes * share // 12) for path, share in _FILES[package.kind]}
    manifest = {
        "format": 1,
        "kind": package.kind,
        "version": package.version,
        "files": {
            path: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for path, content in files.items()
        },
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, content in {"manifest.json": json.dumps(manifest, indent=1).encode(), **files}.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
