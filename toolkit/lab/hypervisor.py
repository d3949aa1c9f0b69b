"""A lab's own libvirt daemon: `python -m toolkit.lab.hypervisor FOLDER` becomes it.

It lives in the lab's network, process and, for ordinary users, user namespace, and keeps all it writes in its folder:
the machine's own libvirt, if there is one, never hears of it. It sees the lab's bridge, so its virtual machines are
plugged in beside the hosts that are namespaces; and it ends with the lab, and every virtual machine with it.
"""

import ctypes
import os
import shutil
import struct
import sys
from pathlib import Path
from typing import NoReturn

from toolkit.lab.namespaces import bind, cover, in_own_mounts

SOCKET_FOLDER = Path("/run/libvirt")
"""Where libvirt's clients look when they are asked for qemu:///system."""

_KEPT = {
    "run": SOCKET_FOLDER,
    "lib": Path("/var/lib/libvirt"),
    "cache": Path("/var/cache/libvirt"),
    "log": Path("/var/log/libvirt"),
    "etc": Path("/etc/libvirt"),
}
"""What libvirt's daemon has compiled in, by the folder of ours that is shown there."""

_QEMU_CONF = """\
# whoever keeps the lab runs its virtual machines; in a user namespace there is nobody else
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
# the lab is a namespace already, and has no rights over control groups
namespaces = []
cgroup_controllers = []
# a console's log is a file that QEMU itself writes: nothing has to drain it, and nothing can stall it
stdio_handler = "file"
"""

_LIBVIRTD_CONF = """\
auth_unix_rw = "none"
auth_unix_ro = "none"
unix_sock_rw_perms = "0700"
"""

_QEMU_USER = "libvirt-qemu"
_SYS_SETGROUPS = 116  # x86-64
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 38, 22
_SECCOMP_MODE_FILTER = 2
_SECCOMP_RET_ALLOW, _SECCOMP_RET_ERRNO = 0x7FFF0000, 0x00050000


def lay(folder: Path) -> None:
    """Writes the daemon's settings and makes the folders it writes in."""
    for name in _KEPT:
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "etc" / "qemu.conf").write_text(_QEMU_CONF, encoding="ascii")
    (folder / "etc" / "libvirtd.conf").write_text(_LIBVIRTD_CONF, encoding="ascii")
    _lay_accounts(folder)


def command(folder: Path) -> tuple[str, ...]:
    """The command line that becomes the daemon."""
    return sys.executable, "-P", "-m", "toolkit.lab.hypervisor", str(folder)


def socket(folder: Path) -> Path:
    """The daemon's socket, as seen from outside its namespaces."""
    return folder / "run" / "libvirt-sock"


def forget_run(folder: Path) -> None:
    """Empties what a host forgets when it is switched off; the folder itself stays, hosts look into it."""
    for entry in (folder / "run").iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def show_socket(folder: Path) -> None:
    """In a host's own mounts: lets its clients find the daemon as qemu:///system."""
    cover(SOCKET_FOLDER)
    bind(folder / "run", SOCKET_FOLDER)


def _lay_accounts(folder: Path) -> None:
    """Accounts with QEMU's own in it: the daemon asks for its number even when it is told to use another."""
    for name, entry in (
        ("passwd", f"{_QEMU_USER}:x:64055:64055::/:/usr/sbin/nologin"),
        ("group", f"{_QEMU_USER}:x:64055:"),
    ):
        text = Path("/etc", name).read_text(encoding="utf-8", errors="surrogateescape")
        if f"\n{_QEMU_USER}:" not in text:
            text = f"{text.rstrip()}\n{entry}\n"
        (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape")


def _ignore_setgroups() -> None:
    """Lets setgroups(2) say that it has worked, in this process and all it starts, without doing anything.

    In a user namespace of an ordinary user the kernel refuses the call whatever it asks for, and the daemon calls it
    for every program; there is no other group that anything could be given to or taken from.
    """

    def instruction(code: int, jump_true: int, jump_false: int, value: int) -> bytes:
        return struct.pack("HBBI", code, jump_true, jump_false, value)

    program = b"".join((
        instruction(0x20, 0, 0, 0),  # load the number of the system call
        instruction(0x15, 0, 1, _SYS_SETGROUPS),
        instruction(0x06, 0, 0, _SECCOMP_RET_ERRNO),  # error 0 is success
        instruction(0x06, 0, 0, _SECCOMP_RET_ALLOW),
    ))  # fmt: skip
    kept = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HP", len(program) // 8, ctypes.addressof(kept))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _maps_one_user() -> bool:
    return Path("/proc/self/setgroups").read_text(encoding="ascii").strip() == "deny"


def main() -> NoReturn:
    """Becomes the daemon whose folder is named on the command line."""
    folder = Path(sys.argv[1])
    in_own_mounts()
    for name, place in _KEPT.items():
        cover(place)
        bind(folder / name, place)
    for name in ("passwd", "group"):
        bind(folder / name, Path("/etc", name))
    if _maps_one_user():
        _ignore_setgroups()
    os.execvp("libvirtd", ("libvirtd", "--pid-file", str(SOCKET_FOLDER / "libvirtd.pid")))  # noqa: S606  a shell would be one process more between


if __name__ == "__main__":
    main()
