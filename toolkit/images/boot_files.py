"""What starts an image: the initrd, and kernel, initrd and command line in one EFI program."""

from pathlib import Path

from toolkit.images.archives import Entry, cpio, entry_of
from toolkit.images.kernel import Kernel
from toolkit.images.programs import Workshop
from toolkit.images.recipe import RecipeFolder

_APPLETS = (
    "sh", "mount", "umount", "mkdir", "cat", "echo", "sed", "find", "sort", "modprobe", "sleep", "switch_root",
    "poweroff", "reboot", "dd", "hexdump", "sha256sum", "sync", "ls", "cut", "grep", "tr", "wc", "head", "blockdev",
)  # fmt: skip
# where the sections of the EFI program lie in memory: systemd-stub(7), and mkosi's choice
_SECTIONS = (("osrel", 0x20000), ("cmdline", 0x30000), ("linux", 0x2000000), ("initrd", 0x3000000))


def make_initrd(folder: RecipeFolder, kernel: Kernel, lists: Path, busybox: Path) -> bytes:
    """The initrd: busybox, the recipe's `init`, and the modules that the machine's devices may need.

    `lists` holds depmod's lists of the installed system.
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
        entry_of("init", folder.path / "initrd" / "init"),
        *(entry for entry in modules if entry.place.endswith((".ko", ".ko.xz"))),
        *(Entry(f"{below}/{name}", _only(lists / name, chosen)) for name in ("modules.dep", "modules.alias")),
    ]
    return cpio(entries, recipe.epoch)


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
