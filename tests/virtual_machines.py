"""Whether virtual machines can run here, and in words what is missing."""

import importlib.util
import os
import shutil
from functools import cache

_PROGRAMS = {
    "libvirtd": "libvirt-daemon",
    "virsh": "libvirt-clients",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "xorriso": "xorriso",
}
"""What they need, and the Debian package of each."""


_TUN = "/dev/net/tun"


@cache
def missing() -> str:
    """What keeps them from running; empty when nothing does."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    programs = [
        f"{program} ({package})" for program, package in _PROGRAMS.items() if not shutil.which(program, path=path)
    ]
    modules = [name for name in ("libvirt", "sushy_tools") if importlib.util.find_spec(name) is None]
    lacking = [*programs, *modules]
    if lacking:
        return f"not installed: {', '.join(lacking)}; make setup-vm installs them"
    # a usual Debian lets everybody use it, some containers root alone
    return "" if os.access(_TUN, os.R_OK | os.W_OK) else f"{_TUN} is not this user's to use; root may allow it"
