"""The files of an image as one tar archive: Debian's packages installed by mmdebstrap, ours laid over them."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from toolkit.images.archives import Entry, entry_of, tar, with_folders
from toolkit.images.debian import DebianPackage
from toolkit.images.kernel import Kernel
from toolkit.images.programs import Workshop
from toolkit.images.recipe import RecipeFolder

PYTHON_FOLDER = "usr/lib/rebox/python"

_NOT_NEEDED = (
    "/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*",
    "/usr/share/bug/*", "/usr/share/pixmaps/*", "/usr/lib/udev/hwdb.d/*",
)  # fmt: skip
_KEPT = ("/usr/share/doc/*/copyright",)

# keys and numbers that have to differ between two boxes, and what differs between two builds (apt was told where to
# find the packages on this machine)
_FINISH = """
set -eu
rm -f etc/ssh/ssh_host_* etc/apt/sources.list etc/resolv.conf etc/hostname
rm -f var/lib/dbus/machine-id var/lib/systemd/random-seed
: > etc/machine-id
rm -rf var/log/* var/cache/* var/lib/apt/* var/tmp/* run/* usr/share/doc/*/changelog* root/.[a-z]*
"""


def build_tree(
    workshop: Workshop,
    folder: RecipeFolder,
    packages: Sequence[DebianPackage],
    *,
    repository: Path,
    python: Path,
    kernel: Kernel,
) -> Path:
    """The tar archive, below the workshop's scratch folder; raises ReboxError, StorageError."""
    recipe = folder.recipe
    overlay = workshop.scratch / "overlay.tar"
    modules = kernel.with_dependencies((*recipe.boot_modules, *recipe.modules))
    overlay.write_bytes(tar(with_folders([*_overlay(folder, python), *kernel.entries(modules)]), recipe.epoch))
    finish = workshop.scratch / "finish"
    finish.write_text(f'cd "$1"\n{_FINISH}', encoding="ascii")
    archive = workshop.scratch / "root.tar"
    names = [package.name for package in packages if package.use == "installed"]
    options = [
        "--mode=root", "--variant=essential", "--architectures=amd64", "--format=tar",
        "--aptopt=APT::Install-Recommends \"false\"",
        "--aptopt=Acquire::Languages \"none\"",
        # done by the hook: it empties /tmp, where apt is told to clean this system's lists and not the machine's
        "--skip=cleanup/apt",
        # a build that is cut off leaves nothing anyway: waiting for the disk file by file gains nothing
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _NOT_NEEDED),
        *(f"--dpkgopt=path-include={pattern}" for pattern in _KEPT),
        f"--include={','.join(names)}",
        f"--customize-hook=tar-in {shlex.quote(str(overlay))} /",
        f"--customize-hook=chroot \"$1\" /sbin/depmod {kernel.version}",
        "--customize-hook=find \"$1\" -xdev -name __pycache__ -prune -exec rm -rf {} +",
        "--customize-hook=chroot \"$1\" env PYTHONHASHSEED=0 python3.11 -m compileall -q -j1 "
        f"--invalidation-mode unchecked-hash /usr/lib/python3.11 /{PYTHON_FOLDER}",
    ]  # fmt: skip
    workshop.run(
        *_apart(), "mmdebstrap", *options, f"--customize-hook=sh {shlex.quote(str(finish))} \"$1\"",
        recipe.suite, archive, f"deb [trusted=yes] copy:{repository} ./",
    )  # fmt: skip
    return archive


def _apart() -> tuple[str, ...]:
    """Runs a program as root, in a mount namespace: nothing is left of what it mounts for the packages' scripts.

    An ordinary user becomes the root of a user namespace, with the range of users that /etc/subuid gives (mmdebstrap's
    own way makes somebody else its root, who may not look into a home folder).
    """
    mounts = ("--mount", "--propagation", "private")
    return (
        ("unshare", *mounts) if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user", "--map-auto", *mounts)
    )


def _overlay(folder: RecipeFolder, python: Path) -> list[Entry]:
    entries = [entry_of(place, path) for place, path in folder.overlay()]
    entries += [entry_of(f"{PYTHON_FOLDER}/{place}", path) for place, path in folder.sources()]
    entries += [
        entry_of(f"{PYTHON_FOLDER}/{path.relative_to(python)}", path) for path in python.rglob("*") if path.is_file()
    ]
    return entries
