"""A volume that is mounted for us alone: nobody else sees it, and nothing is left mounted when we are killed."""

import contextlib
import errno
import io
import mmap
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from toolkit.disks import mount_namespace
from toolkit.disks.exfat_fuse import ExfatFuse
from toolkit.disks.liveness import LiveDevice
from toolkit.disks.mount_namespace import NODEV, NOEXEC, NOSUID, RDONLY, MountNamespace
from toolkit.disks.refusal import Failed, Refused
from toolkit.disks.troubles import translated
from toolkit.disks.volumes import FOLDER, NAMES_MAX, Damaged, FileSystem, Gone, check_name

PIECE = 1 << 20
_PARTIAL = "."
_SEND_AHEAD = 8 << 20
_LOOK_SECONDS = 0.2
_DATA = {"ext4": "errors=remount-ro", "vfat": "iocharset=ascii,shortname=lower", "exfat": ""}
_PLACES = ("/mnt", "/media", "/srv", "/opt")  # any folder does: what is mounted there is seen by us alone


class NoFileSystemError(Refused):
    """The kernel has no such file system, nor a module for it."""


class Mounted:
    """A volume in a mount namespace of its own; every access goes by the folder that was opened, through no link."""

    def __init__(self, file_system: FileSystem, *, writing: bool) -> None:
        """Raises Refused where it cannot be mounted, Failed when mounting fails."""
        if os.geteuid() != 0:
            raise Refused(f"{file_system.path} has {file_system.kind}, which only root can mount")
        self._writing, self._kind = writing, file_system.kind
        self._server: ExfatFuse | None = None
        self._root = self._folder = -1
        self._reading: set[io.FileIO] = set()
        self._looked = 0.0
        with contextlib.ExitStack() as undo:
            self._device = LiveDevice(file_system.path, writing=writing)
            undo.callback(self._device.close)
            self._namespace = MountNamespace()
            undo.callback(self._namespace.close)
            self._place = self._namespace.call(_empty_place)
            self._namespace.call(lambda: self._mount(file_system.kind))
            undo.callback(self._let_go)
            self._root = self._namespace.call(lambda: os.open(self._place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            self._mount_id = _mount_id(self._root)
            self.check(closely=True)
            undo.pop_all()

    def _mount(self, kind: str) -> None:
        flags = NOSUID | NODEV | NOEXEC | (0 if self._writing else RDONLY)
        # not the name, which may be another's by now: what is held open
        source = f"/proc/self/fd/{self._device.descriptor}"
        data = "noload" if kind == "ext4" and not self._writing else _DATA[kind]
        try:
            mount_namespace.mount(source, self._place, kind, flags, data)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise Failed(f"{self._device.path} cannot be mounted as {kind}: {error.strerror}") from None
            if kind != "exfat":
                raise NoFileSystemError(f"the kernel of this machine has no {kind}") from None
            try:
                self._server = ExfatFuse.mounted(self._device, self._place, flags)
            except Refused as missing:
                raise Refused(f"the kernel of this machine has no exfat, and {missing}") from None

    def check(self, *, closely: bool = False) -> None:
        """Raises Gone unless the mount is there, of the device that was opened, and that is there.

        The table of mounts is long on some machines: between two pieces of a file it is not read every time.
        """
        self._device.check()
        major, minor = self._device.number
        if os.fstat(self._root).st_dev != os.makedev(major, minor):
            raise Gone(f"what is mounted is not {self._device.path}")
        now = time.monotonic()
        if not closely and now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        if self._namespace.mounts().get(self._mount_id) != f"{major}:{minor}":
            raise Gone(f"{self._device.path} is not mounted any more")

    @contextlib.contextmanager
    def _live(self, doing: str, *, closely: bool = True) -> Iterator[None]:
        self.check(closely=closely)
        with translated(f"{self._device.path} {doing}", lambda: self.check(closely=True)):
            yield

    def _open_folder(self, *, make: bool = False) -> bool:
        """Opens the folder that is ours; whether it is there."""
        if self._folder >= 0:
            return True
        try:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(FOLDER, 0o700, dir_fd=self._root)
                    os.fsync(self._root)
            self._folder = os.open(
                FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._root
            )
        except FileNotFoundError:
            return False
        except NotADirectoryError:
            raise Damaged(f"{FOLDER} on {self._device.path} is no folder") from None
        if os.fstat(self._folder).st_dev != os.fstat(self._root).st_dev:
            raise Gone(f"{FOLDER} on {self._device.path} is another file system")
        return True

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        with self._live("cannot be listed"):
            if not self._open_folder():
                return ()
            found = []
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    # on FAT, a name that is short has no case of its own
                    found.append(entry.name.lower() if self._kind == "vfat" else entry.name)
                    if len(found) > NAMES_MAX:
                        raise Damaged(f"{self._device.path} holds more than {NAMES_MAX} files")
            return tuple(sorted(found))

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """As the protocol says: under another name first."""
        temporary = _PARTIAL + check_name(name)
        self._check_writing()
        with self._live("cannot be written"):
            self._open_folder(make=True)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=self._folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, 0o600, dir_fd=self._folder)
        try:
            self._fill(descriptor, chunks)
            with self._live("did not take what was written"):
                os.fsync(descriptor)
        except BaseException:
            with contextlib.suppress(OSError, Failed):
                self.check()
                os.unlink(temporary, dir_fd=self._folder)
            raise
        finally:
            # what could not be written is told again when it is closed
            with contextlib.suppress(OSError):
                os.close(descriptor)
        with self._live("did not take what was written"):
            os.rename(temporary, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            os.fsync(self._folder)

    def _check_writing(self) -> None:
        if not self._writing:
            raise Refused(f"{self._device.path} was opened for reading only")

    def _fill(self, descriptor: int, chunks: Iterable[bytes]) -> None:
        written = sent = 0
        for chunk in chunks:
            rest = memoryview(chunk)
            with self._live("cannot be written", closely=False):
                while rest:
                    count = os.write(descriptor, rest)
                    rest, written = rest[count:], written + count
                if written - sent >= _SEND_AHEAD:
                    # begins to bring it to the device, so that the end finds little left to wait for
                    os.posix_fadvise(descriptor, sent, 0, os.POSIX_FADV_DONTNEED)
                    sent = written

    def read(self, name: str) -> Iterator[bytes]:
        """As the protocol says: by O_DIRECT, where the file system has it."""
        check_name(name)
        with self._live(f"cannot give {name}"):
            if not self._open_folder():
                raise Damaged(f"{self._device.path} has no folder {FOLDER}")
            file = self._open_direct(name)
        self._reading.add(file)
        try:
            buffer = mmap.mmap(-1, PIECE)
            while True:
                with self._live(f"cannot give {name}", closely=False):
                    count = file.readinto(buffer)
                if not count:
                    return
                yield buffer[:count]
        finally:
            file.close()
            self._reading.discard(file)

    def _open_direct(self, name: str) -> io.FileIO:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags | os.O_DIRECT, dir_fd=self._folder)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without it: its device was forgotten before it was mounted
            descriptor = os.open(name, flags, dir_fd=self._folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Damaged(f"{name} on {self._device.path} is no file")
        return io.FileIO(descriptor)

    def remove(self, name: str) -> None:
        """As the protocol says."""
        check_name(name.removeprefix(_PARTIAL))
        self._check_writing()
        with self._live("cannot be cleared"):
            if self._open_folder():
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=self._folder)
                    os.fsync(self._folder)

    def free_bytes(self) -> int:
        """As the protocol says."""
        with self._live("cannot be asked for its room"):
            found = os.statvfs(self._root)
            return found.f_bavail * found.f_frsize

    def close(self) -> None:
        """Unmounts it; raises Failed when the device does not take what is left, Gone when it is not there."""
        try:
            self._let_go()
            self._device.check()
            if self._writing:
                self._device.flush()
        finally:
            self._namespace.close()
            self._device.close()

    def _let_go(self) -> None:
        for file in self._reading:  # whoever stopped reading in the midst
            file.close()
        for descriptor in (self._folder, self._root):
            if descriptor >= 0:
                os.close(descriptor)
        self._folder = self._root = -1
        try:
            with translated(f"{self._device.path} cannot be unmounted", self._device.check):
                self._namespace.call(lambda: mount_namespace.unmount(self._place))
        except BaseException:
            if self._server is not None:
                self._server.kill()
            raise
        if self._server is not None:
            self._server.wait()


def _empty_place() -> Path:
    """A new folder that only this namespace has; raises OSError."""
    over = next(Path(place) for place in _PLACES if Path(place).is_dir())
    mount_namespace.mount("rebox", over, "tmpfs", NOSUID | NODEV | NOEXEC, "size=64k,mode=0700")
    place = over / "volume"
    place.mkdir()
    return place


def _mount_id(descriptor: int) -> int:
    lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("mnt_id:"))
