"""What starts an image: the initrd, and kernel, initrd and command line in one EFI program."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from toolkit.images.archives import Entry, cpio, entry_of
from toolkit.images.kernel import Kernel
from toolkit.images.programs import Workshop
from toolkit.images.recipe import RecipeFolder

_APPLETS = (
    "sh", "mount", "umount", "mkdir", "cat", "echo", "sed", "find", "sort", "modprobe", "sleep", "switch_root",
    "poweroff", "reboot", "dd", "hexdump", "sha256sum", "sync", "ls", "cut", "grep", "tr", "wc", "head", "blockdev",
    "ip", "udhcpc", "setsid", "cttyhack", "vi", "less", "lsmod", "dmesg", "fdisk", "mke2fs", "ping", "ps", "kill",
)  # fmt: skip
# where the sections of the EFI program lie in memory: systemd-stub(7), and mkosi's choice
_SECTIONS = (("osrel", 0x20000), ("cmdline", 0x30000), ("linux", 0x2000000), ("initrd", 0x3000000))


def make_initrd(folder: RecipeFolder, kernel: Kernel, lists: Path, busybox: Path, more: Iterable[Entry] = ()) -> bytes:
    """The initrd: busybox, the recipe's `init`, modules for the machine's devices, and what else is given.

    `lists` holds depmod's lists.
    """
    recipe = folder.recipe
    chosen = set(kernel.with_dependencies(recipe.boot_modules))
    modules = kernel.entries(chosen)
    below = f"usr/lib/modules/{kernel.version}"
    entries = [
        Entry("bin/busybox", (busybox / "bin" / "busybox").read_bytes(), executable=True),
        *(Entry(f"bin/{applet}", "busybox") for applet in _APPLETS),
        Entry("lib", "usr/lib"),
        Entry("sbin", "bin"),
        *(entry_of(_place(path.name), path) for path in sorted((folder.path / "initrd").iterdir())),
        *(entry for entry in modules if entry.place.endswith((".ko", ".ko.xz"))),
        *(Entry(f"{below}/{name}", _only(lists / name, chosen)) for name in ("modules.dep", "modules.alias")),
        *more,
    ]
    return cpio(entries, recipe.epoch)


def _place(name: str) -> str:
    return name if name == "init" else f"bin/{name}"


def _only(path: Path, modules: set[str]) -> bytes:
    """The lines of depmod's list that are about these modules: a long list takes modprobe long to read."""
    kept = []
    for line in path.read_text(encoding="ascii").splitlines():
        # "alias PATTERN MODULE", or "PLACE/MODULE.ko: PLACES"
        about = line.split()[-1] if line.startswith("alias ") else Path(line.partition(":")[0]).stem
        if about.replace("-", "_") in modules:
            kept.append(line)
    return "".join(f"{line}\n" for line in kept).encode()


def unify(workshop: Workshop, stub: Path, parts: dict[str, bytes], target: Path) -> None:
    """Joins the parts (`osrel`, `cmdline`, `linux`, `initrd`) to systemd's EFI stub (systemd-stub(7))."""
    options: list[str] = []
    for name, address in _SECTIONS:
        file = workshop.scratch / f"section-{name}"
        file.write_bytes(parts[name])
        options += [f"--add-section=.{name}={file}", f"--change-section-vma=.{name}={address:#x}"]
    workshop.run("objcopy", "--enable-deterministic-archives", "--preserve-dates", *options, stub, target)


def start_volume(
    workshop: Workshop, volume: Path, volume_id: str, files: Mapping[str, Path], *, size_bytes: int, bits: int
) -> None:
    """A FAT volume (`bits`: 16 or 32) with these files, not mounted for it. Raises ReboxError, StorageError."""
    with volume.open("wb") as file:
        file.truncate(size_bytes)
    workshop.run("mkfs.vfat", "--invariant", "-F", str(bits), "-i", volume_id, "-n", "REBOX-START", volume)
    folders = sorted({str(parent) for place in files for parent in Path(place).parents if parent != Path()})
    workshop.run("mmd", "-i", volume, *(f"::/{folder}" for folder in folders))
    for place, path in files.items():
        workshop.run("mcopy", "-i", volume, path, f"::/{place}")


def syslinux_config(command_line: str, kernel: str, initrd: str) -> str:
    """What SYSLINUX and ISOLINUX start by BIOS, said on the serial port as well."""
    return f"SERIAL 0 115200\nDEFAULT rebox\nLABEL rebox\n KERNEL {kernel}\n INITRD {initrd}\n APPEND {command_line}\n"
