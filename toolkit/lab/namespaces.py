"""The kernel's namespaces, as far as the lab needs them: leaving the machine's, making new ones, moving between them.

The supervisor must stay a process of one thread: the kernel moves no other kind into a mount or a user namespace.
"""

import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.model.errors import RefusedError, words_of

_NEW_MOUNT = 0x00020000
_NEW_UTS = 0x04000000
_NEW_USER = 0x10000000
_NEW_PID = 0x20000000
_NEW_NET = 0x40000000

_MS_REC = 0x4000
_MS_BIND = 0x1000
_MS_SLAVE = 0x80000
_MS_NOSUID_NODEV = 0x2 | 0x4
_MS_NOSUID_NODEV_NOEXEC = 0x2 | 0x4 | 0x8

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)

# Their sockets answer name look-ups for the whole machine, past the resolv.conf of a host in the lab.
_FOREIGN_RESOLVERS = (Path("/run/systemd/resolve"), Path("/run/nscd"))


def _check(result: int, path: str | None = None) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)


def _unshare(flags: int) -> None:
    _check(_libc.unshare(flags))


def _setns(descriptor: int) -> None:
    _check(_libc.setns(descriptor, 0))


def _mount(source: str, target: Path, kind: str, flags: int = 0) -> None:
    _check(_libc.mount(source.encode(), str(target).encode(), kind.encode(), flags, None), str(target))


def leave_the_machine() -> bool:
    """Moves this process out of the machine's namespaces; its next child is process 1 of a PID namespace.

    Says whether a user namespace was needed: root needs none, and keeps its rights over files and the scheduler.
    Raises RefusedError when the machine allows neither.
    """
    flags = _NEW_NET | _NEW_MOUNT | _NEW_PID | _NEW_UTS
    if os.geteuid() == 0:
        try:
            _unshare(flags)
        except PermissionError:
            pass  # root in a container: a user namespace may still be allowed
        else:
            return False
    user, group = os.geteuid(), os.getegid()
    try:
        _unshare(_NEW_USER | flags)
        # the kernel lets one's own group be mapped only once setgroups is given up
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")
        own_the_mounts()
    except OSError as error:
        raise _refused(error) from None
    return True


def _refused(error: OSError) -> RefusedError:
    reason = "the machine's limit on namespaces is reached" if error.errno == errno.ENOSPC else error.strerror
    return RefusedError(
        "this machine lets an ordinary user make no network namespaces",
        why=reason or words_of(error),
        next_move="Run the command as root, or let root allow user namespaces: sysctl -w "
        "user.max_user_namespaces=15000; on Debian also kernel.unprivileged_userns_clone=1; on Ubuntu also "
        "kernel.apparmor_restrict_unprivileged_userns=0; in a container start it with --privileged",
    )


def own_the_mounts() -> None:
    """Mounts made from here on stay in this namespace; those made outside (a USB stick) still arrive."""
    _mount("none", Path("/"), "none", _MS_REC | _MS_SLAVE)


def mount_own_proc() -> None:
    """Shows the lab's own processes in /proc, where the machine allows it: some containers do not."""
    try:
        _mount("proc", Path("/proc"), "proc", _MS_NOSUID_NODEV_NOEXEC)
    except PermissionError:
        return


def in_own_mounts() -> None:
    """Gives this process mounts of its own; it must have one thread."""
    _unshare(_NEW_MOUNT)
    own_the_mounts()


def bind(source: Path, target: Path) -> None:
    """Shows `source` at `target`, which must be there."""
    _mount(str(source), target, "none", _MS_BIND)


def cover(place: Path) -> None:
    """Has a folder at `place` that a mount can lie over, also where this user can make none.

    Where it is missing and cannot be made, the folder above is shown anew, with all that is in it and with this one.
    """
    if place.is_dir():
        return
    cover(place.parent)
    try:
        place.mkdir()
    except PermissionError:
        _show_anew(place.parent)
        place.mkdir()


def _show_anew(folder: Path) -> None:
    below = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        entries = [entry.name for entry in Path(f"/proc/self/fd/{below}").iterdir()]
        _mount("tmpfs", folder, "tmpfs", _MS_NOSUID_NODEV)
        for name in entries:
            source, target = Path(f"/proc/self/fd/{below}/{name}"), folder / name
            if source.is_symlink():
                target.symlink_to(source.readlink())
            elif source.is_dir():
                target.mkdir()
                _mount(str(source), target, "none", _MS_BIND | _MS_REC)
            else:
                target.touch()
                bind(source, target)
    finally:
        os.close(below)


@dataclass(frozen=True)
class HostNamespaces:
    """Open descriptors of one host's network, host name and mount namespaces; they live as long as these are open."""

    network: int
    names: int
    mounts: int

    def enter(self) -> None:
        """Moves this process into the host; the mounts last, because that moves its root and its folder too."""
        _setns(self.network)
        _setns(self.names)
        _setns(self.mounts)


def make_host_namespaces(
    name: str, resolv_conf: Path | None, furnish: Callable[[], None] = lambda: None
) -> HostNamespaces:
    """Makes one host's namespaces and comes back; `resolv_conf` is what its programs see as /etc/resolv.conf.

    `furnish` is called inside, for other mounts that the host is to have.
    """
    home = [_open_own(kind) for kind in ("net", "uts", "mnt")]
    folder = os.open(".", os.O_PATH | os.O_DIRECTORY)
    try:
        _unshare(_NEW_NET | _NEW_UTS | _NEW_MOUNT)
        _check(_libc.sethostname(name.encode(), len(name)))
        if resolv_conf is not None:
            _show_resolv_conf(resolv_conf)
        furnish()
        return HostNamespaces(_open_own("net"), _open_own("uts"), _open_own("mnt"))
    finally:
        for descriptor in home:
            _setns(descriptor)
            os.close(descriptor)
        os.fchdir(folder)
        os.close(folder)


def _show_resolv_conf(source: Path) -> None:
    hidden = [folder for folder in _FOREIGN_RESOLVERS if folder.is_dir()]
    for folder in hidden:
        _mount("tmpfs", folder, "tmpfs", _MS_NOSUID_NODEV_NOEXEC)
    target = Path("/etc/resolv.conf").resolve()
    if target.parent in hidden:
        target.touch()  # the file it is often a link to has just been hidden
    if not target.exists():
        raise RefusedError(
            "the lab cannot give its hosts a resolver",
            where=str(target),
            why="there is no such file to put the hosts' own in place of",
            next_move="Create an empty /etc/resolv.conf as root.",
        )
    _mount(str(source), target, "none", _MS_BIND)


def _open_own(kind: str) -> int:
    return os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def own_network() -> int:
    """A descriptor of the network this process is in."""
    return _open_own("net")


@contextmanager
def network_of(descriptor: int) -> Iterator[None]:
    """Sockets opened inside belong to that network; nothing may be awaited inside but their opening."""
    home = _open_own("net")
    try:
        _setns(descriptor)
        yield
    finally:
        _setns(home)
        os.close(home)
