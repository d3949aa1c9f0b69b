"""Which packages a box offers, and why one cannot be installed yet: pure rules over signed descriptions (U2)."""

from collections.abc import Iterable
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from toolkit.model.version import Version


class Eula(BaseModel):
    """Where a package's licence agreement lies, and the hash of its text."""

    model_config = ConfigDict(frozen=True)

    target: str
    sha256: str


class Requirements(BaseModel):
    """What must be installed first; `site_when_present` binds only boxes that have a site package."""

    model_config = ConfigDict(frozen=True, extra="forbid")  # a requirement this box does not know must not be passed

    base: str | None = None
    site_when_present: str | None = None


class Package(BaseModel):
    """One package as its signed description has it."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$")  # it names folders on the box's disk
    kind: Literal["base", "site"]
    version: str
    title: str
    requires: Requirements = Requirements()
    hostname: str | None = None
    licences: int | None = None
    licence_expiry: date | None = None
    eula: Eula | None = None
    target: str
    size_bytes: int


class Installed(BaseModel):
    """The versions of a box's two layers; no site package on a new box."""

    model_config = ConfigDict(frozen=True)

    base: str
    site: str | None

    def of(self, kind: Literal["base", "site"]) -> str | None:
        """The version of one layer."""
        return self.base if kind == "base" else self.site


def is_installed(package: Package, installed: Installed) -> bool:
    """Whether the box has this version of that layer, or a newer one."""
    present = installed.of(package.kind)
    return present is not None and Version.parse(package.version) <= Version.parse(present)


def missing(package: Package, installed: Installed) -> str | None:
    """Why the package cannot be installed yet, in one sentence; None when it can."""
    wanted = package.requires
    if wanted.base is not None and Version.parse(installed.base) < Version.parse(wanted.base):
        return _reason(f"Base {installed.base}", package, f"Base {wanted.base}")
    least = wanted.site_when_present
    if least is not None and installed.site is not None and Version.parse(installed.site) < Version.parse(least):
        return _reason(installed.site, package, least)
    return None


def _reason(present: str, package: Package, wanted: str) -> str:
    return f"{present} does not satisfy {package.id}'s requirements: install {wanted} first."


def offered(packages: Iterable[Package], installed: Installed) -> list[Package]:
    """What the box does not have yet, in the order in which it can be installed: Base first, older first."""
    new = [package for package in packages if not is_installed(package, installed)]
    return sorted(new, key=lambda package: (package.kind, Version.parse(package.version)))
