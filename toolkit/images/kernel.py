"""The kernel of an image, taken out of its Debian package: itself, the modules named, and what those depend on."""

import lzma
import re
import shutil
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit.images.archives import Entry
from toolkit.images.programs import Workshop
from toolkit.model.errors import InputError, ReboxError

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")
_SOFT = re.compile(rb"\0softdep=pre: ([^\0]*)\0")


@dataclass(frozen=True)
class Kernel:
    """A kernel unpacked: its version, the bootable file, and the files of its modules by name."""

    version: str
    image: bytes
    modules: Mapping[str, Path]
    folder: Path
    """Holds `lib/modules/VERSION/`."""

    def with_dependencies(self, names: Iterable[str]) -> list[str]:
        """The modules named and all they need, sorted; a name that is built in or absent raises InputError."""
        found: set[str] = set()
        builtin = {Path(line).stem.replace("-", "_") for line in self._lines("modules.builtin")}
        waiting = list(names)
        while waiting:
            name = waiting.pop().replace("-", "_")
            if name in found or name in builtin:
                continue
            if name not in self.modules:
                raise InputError(
                    f"this kernel has no module {name}", where=self.version, next_move="Correct the recipe."
                )
            found.add(name)
            content = self.modules[name].read_bytes()
            for pattern, separator in ((_DEPENDS, b","), (_SOFT, b" ")):
                needed = [word.decode() for match in pattern.finditer(content) for word in match[1].split(separator)]
                # a soft dependency may be an alias of whichever module does it: the recipe then names one
                waiting += [one for one in needed if one and (separator == b"," or one in self.modules)]
        return sorted(found)

    def entries(self, names: Iterable[str]) -> list[Entry]:
        """The module files, and the lists that depmod needs, at their places in a system."""
        below = self.folder / "lib" / "modules" / self.version
        chosen = [self.modules[name] for name in names]
        lists = [below / name for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo")]
        return [
            Entry(f"usr/lib/modules/{self.version}/{path.relative_to(below)}", path.read_bytes())
            for path in (*chosen, *lists)
        ]

    def _lines(self, name: str) -> list[str]:
        return (self.folder / "lib" / "modules" / self.version / name).read_text(encoding="ascii").splitlines()


def uncompressed(image: bytes) -> bytes:
    """The ELF file within a bzImage; QEMU starts it directly (PVH), without the seconds that unpacking takes.

    Linux, Documentation/arch/x86/boot.rst: `setup_sects`, `payload_offset`, `payload_length`. Raises ReboxError.
    """
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (image[0x1F1] + 1) * 512 + offset
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(image[start : start + length])
    except lzma.LZMAError as error:
        raise ReboxError("the kernel cannot be unpacked", why=f"it is not compressed by xz: {error}") from None


def unpack_kernel(workshop: Workshop, package: Path) -> Kernel:
    """Unpacks a `linux-image` package below the workshop's scratch folder."""
    folder = workshop.scratch / "kernel"
    shutil.rmtree(folder, ignore_errors=True)
    workshop.run("dpkg-deb", "--extract", package, folder)
    (image,) = (folder / "boot").glob("vmlinuz-*")
    version = image.name.removeprefix("vmlinuz-")
    modules = {
        path.name.partition(".ko")[0].replace("-", "_"): path
        for path in (folder / "lib" / "modules" / version).rglob("*.ko*")
    }
    return Kernel(version, image.read_bytes(), modules, folder)
