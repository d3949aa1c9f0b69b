"""An ISO that starts by BIOS in seconds and says what an installer says: a kernel, busybox, and a script of the test.

It stands in for the real installer where a test is about the BMC: what is written to a disk, others test.
"""

import gzip
import json
import shutil
import subprocess
from functools import cache
from pathlib import Path

from toolkit.images.build import build
from toolkit.images.cache import ImageCache
from toolkit.images.recipe import RecipeFolder

_INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
say() {{ echo "rebox-installer: $1" > /dev/ttyS0; }}
serial=$(/bin/busybox cat /sys/class/dmi/id/product_serial)
{script}
/bin/busybox poweroff -f
"""

DONE = """
say '{"phase": "started"}'
say "{\\"phase\\": \\"inventory\\", \\"serial\\": \\"$serial\\"}"
say '{"phase": "write", "fraction": 0.5}'
say '{"phase": "done", "action": "install"}'
"""
REFUSED = """
say '{"phase": "refused", "reason": "this machine has another serial number"}'
"""
DIES = """
echo "Oops: the disk is gone" > /dev/ttyS0
"""
HANGS = """
say '{"phase": "started"}'
/bin/busybox sleep 600
"""


@cache
def kernel() -> Path:
    """The bzImage of the appliance's own kernel package, out of the cache that its build has filled."""
    image = build(RecipeFolder("appliance"), ImageCache("appliance"))
    listed = json.loads((image.folder / "packages.json").read_text())
    kernels = [one for one in listed["debian"] if one["name"].startswith("linux-image-")]
    package = max(kernels, key=lambda one: int(one["size_bytes"]))
    store = image.folder.parents[2] / "packages"
    target = store / f"tests-{package['sha256'][:16]}.vmlinuz"
    if not target.exists():
        tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", store / f"{package['sha256']}.deb"], stdout=subprocess.PIPE,
                             check=True).stdout  # fmt: skip
        found = subprocess.run(["tar", "-xO", "--wildcards", "./boot/vmlinuz-*"], input=tar, stdout=subprocess.PIPE,
                               check=True).stdout  # fmt: skip
        target.write_bytes(found)
    return target


def write_tiny_iso(target: Path, script: str) -> None:
    """Writes the ISO; `script` may `say` events and ends with the machine off."""
    tree = target.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    root = tree / "root"
    (root / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    (root / "init").write_text(_INIT.format(script=script))
    (root / "init").chmod(0o755)
    names = b"bin\nbin/busybox\ninit\n"
    initrd = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=names, stdout=subprocess.PIPE,
                            check=True).stdout  # fmt: skip
    shutil.rmtree(root)
    (tree / "initrd").write_bytes(gzip.compress(initrd, 1))
    shutil.copy(kernel(), tree / "vmlinuz")
    shutil.copy("/usr/lib/ISOLINUX/isolinux.bin", tree)
    shutil.copy("/usr/lib/syslinux/modules/bios/ldlinux.c32", tree)
    (tree / "isolinux.cfg").write_text(
        "DEFAULT tiny\nPROMPT 0\nLABEL tiny\n  KERNEL /vmlinuz\n  INITRD /initrd\n  APPEND quiet console=ttyS0\n"
    )
    subprocess.run(
        ["xorriso", "-as", "mkisofs", "-quiet", "-output", target, "-eltorito-boot", "isolinux.bin",
         "-eltorito-catalog", "boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree],
        check=True, capture_output=True,
    )  # fmt: skip
    shutil.rmtree(tree)
