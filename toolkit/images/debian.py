"""Debian packages of an image: which there are, fetched once, checked by SHA-256, and offered from a folder."""

import re
import shutil
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from toolkit.images.programs import Workshop
from toolkit.images.recipe import Recipe
from toolkit.model.errors import InputError, ReboxError

_URI = re.compile(r"^'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})$")
_INSTALL = re.compile(r"^Inst (?P<name>\S+) \((?P<version>\S+) .*\[(?P<architecture>\S+)\]\)")
_TARGET = "$(RELEASE) $(REPO_URI) $(COMPONENT)"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


class DebianPackage(BaseModel):
    """One package, exactly; `use` tells whether it is installed in the image or only taken apart for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    architecture: str
    size_bytes: int
    sha256: str
    use: Literal["installed", "unpacked"]


class Apt:
    """apt with a state of its own: the machine's own packages neither count nor change.

    The mirrors are those that the machine itself uses for Debian; what they say counts if Debian's keys signed it.
    """

    def __init__(self, workshop: Workshop, suite: str) -> None:
        self._workshop = workshop
        self._suite = suite
        self._folder = workshop.scratch / "apt"
        self._ready = False

    def resolve(self, recipe: Recipe) -> tuple[DebianPackage, ...]:
        """What the recipe's packages are today, with all they need; raises InputError, ReboxError."""
        installed = self._installed(recipe.packages) if recipe.packages else {}
        unpacked = dict.fromkeys((*self._kernel(recipe.kernel), *recipe.unpacked), "")
        return (*self._described(installed, "installed"), *self._described(unpacked, "unpacked"))

    def fetch(self, packages: Sequence[DebianPackage], store: Path) -> None:
        """Brings what the store lacks; every file is named by its SHA-256. Raises InputError, ReboxError."""
        missing = [package for package in packages if not (store / f"{package.sha256}.deb").exists()]
        if not missing:
            return
        arrived = self._workshop.scratch / "arrived"
        arrived.mkdir()
        self._apt("apt-get", "download", *(f"{one.name}={one.version}" for one in missing), cwd=arrived)
        wanted = {package.sha256 for package in missing}
        for path in arrived.iterdir():
            digest = sha256(path.read_bytes()).hexdigest()
            if digest in wanted:
                path.replace(store / f"{digest}.deb")
        for package in missing:
            if not (store / f"{package.sha256}.deb").exists():
                raise InputError(
                    f"the mirror has another {package.name} {package.version} than the list",
                    where=package.sha256,
                    next_move="Build with the packages of today, or get the list's packages from an archive mirror.",
                )
        shutil.rmtree(arrived)

    def _installed(self, names: Sequence[str]) -> dict[str, str]:
        """These packages, the essential ones and all they need: versions by name."""
        said = self._apt("apt-get", "--simulate", "install", "?essential ?not(?exact-name(apt))", *names)
        return {
            found["name"].partition(":")[0]: found["version"]
            for line in said.splitlines()
            if (found := _INSTALL.match(line))
        }

    def _kernel(self, name: str) -> tuple[str, ...]:
        """The package that holds the kernel itself: the metapackage names it."""
        said = self._apt("apt-cache", "depends", name)
        found = re.findall(r"Depends: (linux-image-\S+)", said)
        return tuple(found[:1]) or (name,)

    def _described(self, names: dict[str, str], use: Literal["installed", "unpacked"]) -> tuple[DebianPackage, ...]:
        if not names:
            return ()
        asked = [f"{name}={version}" if version else name for name, version in names.items()]
        said = self._apt("apt-get", "--print-uris", "download", *asked)
        packages = []
        for line in said.splitlines():
            found = _URI.match(line)
            if found is None:
                continue
            name, version, rest = found["file"].split("_")
            packages.append(
                DebianPackage(
                    name=name,
                    version=version.replace("%3a", ":"),
                    architecture=rest.removesuffix(".deb"),
                    size_bytes=int(found["size"]),
                    sha256=found["sha256"],
                    use=use,
                )
            )
        if len(packages) != len(names):
            known = {package.name for package in packages}
            missing = ", ".join(sorted(set(names) - known))
            raise InputError("packages are not to be had", where=missing, next_move="Correct the recipe.")
        return tuple(sorted(packages, key=lambda package: package.name))

    def _apt(self, program: str, *words: str, cwd: Path | None = None) -> str:
        if not self._ready:
            self._set_up()
        return self._workshop.run(program, *self._options(), "-q", *words, cwd=cwd).decode()

    def _set_up(self) -> None:
        for part in ("lists/partial", "archives/partial", "etc"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        (self._folder / "status").touch()
        (self._folder / "etc" / "sources.list").write_text("\n".join(self._mirrors()) + "\n", encoding="utf-8")
        self._workshop.run("apt-get", *self._options(), "-q", "update", "--error-on=any")
        self._ready = True

    def _mirrors(self) -> list[str]:
        # asks for what is configured, not for what was fetched: a machine may have thrown its lists away
        words = ("indextargets", "--no-release-info", "--format", _TARGET, "Created-By: Packages")
        said = self._workshop.run("apt-get", *words).decode()
        lines = []
        for line in sorted(set(said.splitlines())):
            archive, uri, component = line.split()
            of_debian = uri.rstrip("/").rpartition("/")[2] in ("debian", "debian-security") and component == "main"
            if of_debian and archive.removesuffix("-security").removesuffix("-updates") == self._suite:
                lines.append(f"deb [arch=amd64 signed-by={_KEYS}] {uri} {archive} {component}")
        if not lines:
            raise InputError(
                f"this machine's apt has no source for Debian {self._suite}",
                where="/etc/apt/sources.list",
                next_move=f"Add one: images are built from Debian {self._suite}.",
            )
        return lines

    def _options(self) -> list[str]:
        folder = self._folder
        settings = {
            "Dir::Etc::sourcelist": folder / "etc" / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State": folder,
            "Dir::State::status": folder / "status",
            "Dir::State::lists": folder / "lists",
            "Dir::Cache": folder,
            "Dir::Cache::archives": folder / "archives",
            # some machines' configuration switches these off: every call would then read all lists anew
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "",
            "Debug::NoLocking": "true",
            "Acquire::Languages": "none",
        }
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def lay_repository(
    workshop: Workshop, suite: str, packages: Iterable[DebianPackage], store: Path, folder: Path
) -> None:
    """A folder that apt can install these packages from, and no others; raises ReboxError when one was altered."""
    folder.mkdir()
    stanzas = []
    for package in packages:
        source = store / f"{package.sha256}.deb"
        if sha256(source.read_bytes()).hexdigest() != package.sha256:
            source.unlink()
            raise ReboxError(
                f"the kept package {package.name} {package.version} is damaged",
                where=str(source),
                next_move="It was removed: build again, and it is fetched anew.",
            )
        name = f"{package.name}_{package.architecture}.deb"
        (folder / name).symlink_to(source)
        control = workshop.run("dpkg-deb", "--field", source).decode()
        stanzas.append(
            f"{control.rstrip()}\nFilename: ./{name}\nSize: {package.size_bytes}\nSHA256: {package.sha256}\n"
        )
    content = "\n".join(stanzas).encode()
    (folder / "Packages").write_bytes(content)
    # mmdebstrap asks for the essential packages of a suite by its name
    (folder / "Release").write_text(
        f"Origin: rebox\nCodename: {suite}\nSuite: {suite}\nSHA256:\n"
        f" {sha256(content).hexdigest()} {len(content)} Packages\n",
        encoding="ascii",
    )
