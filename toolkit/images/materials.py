"""What an image is put together from, fetched and taken apart: packages, kernel, and where to work."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolkit.images.debian import DebianPackage
from toolkit.images.kernel import Kernel
from toolkit.images.programs import Workshop
from toolkit.images.recipe import Recipe, RecipeFolder

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Materials:
    """Everything that the making of a disk or an ISO is handed; `target` gets the image's files."""

    workshop: Workshop
    folder: RecipeFolder
    target: Path
    debian: tuple[DebianPackage, ...]
    store: Path
    """The packages, each named by its SHA-256."""
    python: Path
    """Python packages, installed into a folder."""
    kernel: Kernel
    unpacked: Path
    """The files of the packages that are only taken apart."""
    progress: Progress

    @property
    def recipe(self) -> Recipe:
        """The recipe itself."""
        return self.folder.recipe

    @property
    def efi_stub(self) -> Path:
        """What makes a kernel an EFI program, of systemd-boot-efi."""
        return self.unpacked / "usr/lib/systemd/boot/efi/linuxx64.efi.stub"
