"""A FAT volume on a device or in an image file, written by mtools and read by ourselves: nothing is mounted."""

import contextlib
import os
import subprocess
from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile

from toolkit.disks.fat import Entry, FatReader
from toolkit.disks.liveness import LiveDevice
from toolkit.disks.programs import program
from toolkit.disks.refusal import Failed, Refused
from toolkit.disks.volumes import FOLDER, NAMES_MAX, Damaged, FileSystem, Full, check_name

_PARTIAL = "-part"
_HARMLESS = b"Could not get geometry"  # of a device without heads and cylinders
_SETTINGS = {"MTOOLS_SKIP_CHECK": "1", "MTOOLSRC": "/dev/null", "LC_ALL": "C", "TZ": "UTC"}


class Mtools:
    """Needs no right but to read and write the device or file; nobody can mount the device meanwhile."""

    def __init__(self, file_system: FileSystem, *, writing: bool) -> None:
        """Raises Refused for another file system than FAT, Failed when it cannot be opened."""
        if file_system.kind != "vfat":
            raise Refused(f"{file_system.path} has {file_system.kind}, which cannot be used without mounting it")
        self._writing = writing
        self._offset = file_system.offset_bytes
        self._device = LiveDevice(file_system.path, writing=writing, alone=True)
        self._known: FatReader | None = None

    def _reader(self) -> FatReader:
        if self._known is None:
            self._known = FatReader(self._device, self._offset)
        return self._known

    def _forget(self) -> None:
        """What was written is read anew."""
        if self._known is not None:
            self._known.close()
        self._known = None
        self._device.flush()

    def _entries(self) -> dict[str, Entry]:
        """What is in our folder, by name; in lower case, since a short name has no case of its own."""
        reader = self._reader()
        folder = next((entry for entry in reader.entries() if entry.name.upper() == FOLDER), None)
        if folder is None:
            return {}
        if not folder.is_folder:
            raise Damaged(f"{FOLDER} on {self._device.path} is no folder")
        return {entry.name.lower(): entry for entry in reader.entries(folder) if entry.name not in {".", ".."}}

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        self._device.check()
        found = tuple(sorted(self._entries()))
        if len(found) > NAMES_MAX:
            raise Damaged(f"{self._device.path} holds more than {NAMES_MAX} files")
        return found

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """As the protocol says: under another name first, and looked at before it gets its own."""
        temporary = check_name(name) + _PARTIAL
        self._check_writing()
        self._make_folder()
        self.remove(temporary)
        try:
            self._written(temporary, self._fill(temporary, chunks))
        except BaseException:
            with contextlib.suppress(Failed):
                self.remove(temporary)
            raise
        self.remove(name)
        self._run("mren", _inside(temporary), _inside(name))
        self._forget()

    def _check_writing(self) -> None:
        self._device.check()
        if not self._writing:  # what mtools opens by the descriptor's name it opens anew, with the user's rights
            raise Refused(f"{self._device.path} was opened for reading only")

    def _make_folder(self) -> None:
        self._device.check()
        if not any(entry.name.upper() == FOLDER for entry in self._reader().entries()):
            self._run("mmd", f"::/{FOLDER}")
            self._forget()

    def _written(self, name: str, size: int) -> None:
        """Raises Full unless the file is there as large as it was written: mcopy ends well also when it stopped."""
        self._forget()
        there = self._entries().get(name)
        if there is None or there.size_bytes != size:
            raise Full(f"{self._device.path} cannot be written: it is full")

    def _fill(self, name: str, chunks: Iterable[bytes]) -> int:
        """How many bytes were taken; all that mcopy says is trouble, since it ends well also when it stopped early."""
        size = 0
        with TemporaryFile() as said:
            process = subprocess.Popen(
                self._words("mcopy", "-", _inside(name)), pass_fds=(self._device.descriptor,), env=self._environment(),
                stdin=subprocess.PIPE, stdout=said, stderr=said, bufsize=0,
            )  # fmt: skip
            try:
                with process:
                    for chunk in chunks:
                        self._device.check()
                        if not _took(process, chunk):
                            break
                        size += len(chunk)
            except BaseException:
                process.kill()
                process.wait()
                raise
            said.seek(0)
            words = b"\n".join(line for line in said.read().splitlines() if not line.startswith(_HARMLESS))
        if process.returncode or words:
            self._device.check()
            raise _told(f"{self._device.path} cannot be written", words)
        return size

    def read(self, name: str) -> Iterator[bytes]:
        """As the protocol says."""
        check_name(name)
        self._device.check()
        entry = self._entries().get(name)
        if entry is None or entry.is_folder:
            raise Damaged(f"{self._device.path} has no file {name}")
        yield from self._reader().read(entry)

    def remove(self, name: str) -> None:
        """As the protocol says."""
        check_name(name)
        self._check_writing()
        if name in self._entries():
            self._run("mdel", _inside(name))
            self._forget()

    def free_bytes(self) -> int:
        """As the protocol says."""
        self._device.check()
        return self._reader().free_bytes()

    def _run(self, name: str, *names: str) -> None:
        self._device.check()
        done = subprocess.run(
            self._words(name, *names), pass_fds=(self._device.descriptor,), env=self._environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        if done.returncode:
            self._device.check()
            raise _told(f"{self._device.path} cannot be written", done.stdout)

    def _words(self, name: str, *names: str) -> list[str]:
        """By what is held open, not by a name that may be another's by now; `@@` says where the volume begins."""
        return [program(name), "-i", f"/proc/self/fd/{self._device.descriptor}@@{self._offset}", *names]

    @staticmethod
    def _environment() -> dict[str, str]:
        return {**os.environ, **_SETTINGS}

    def close(self) -> None:
        """As the protocol says."""
        try:
            if self._known is not None:
                self._known.close()
            self._device.check()
            if self._writing:
                self._device.flush()
        finally:
            self._device.close()


def _inside(name: str) -> str:
    return f"::/{FOLDER}/{name}"


def _took(process: "subprocess.Popen[bytes]", chunk: bytes) -> bool:
    """Whether mcopy still reads; its own words say why when it does not."""
    rest = memoryview(chunk)
    try:
        while rest and process.stdin is not None:
            rest = rest[process.stdin.write(rest) :]
    except BrokenPipeError:
        return False
    return True


def _told(what: str, said: bytes) -> Failed:
    words = " ".join(said.decode(errors="replace").split()) or "mtools stopped"
    full = any(sign in words for sign in ("No space left", "No free cluster", "Disk full"))
    return Full(f"{what}: it is full") if full else Damaged(f"{what}: {words}")
