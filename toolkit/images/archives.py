"""Archives that come out the same twice: tar for what is laid over a system, cpio (newc) for an initrd."""

import io
import stat
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """A file, folder or link of an archive; `content` is a link's target, a file's bytes, or None for a folder."""

    place: str
    content: bytes | str | None
    executable: bool = False

    @property
    def mode(self) -> int:
        """File type and permissions: owned by root, readable by all."""
        if self.content is None:
            return stat.S_IFDIR | 0o755
        if isinstance(self.content, str):
            return stat.S_IFLNK | 0o777
        return stat.S_IFREG | (0o755 if self.executable else 0o644)


def entry_of(place: str, path: Path) -> Entry:
    """A file or symbolic link here as an entry there."""
    if path.is_symlink():
        return Entry(place, str(path.readlink()))
    return Entry(place, path.read_bytes(), executable=bool(path.stat().st_mode & 0o100))


def with_folders(entries: Iterable[Entry]) -> list[Entry]:
    """The entries sorted by place, each after the folders it lies in."""
    found = {entry.place: entry for entry in entries}
    for place in list(found):
        for parent in list(Path(place).parents)[:-1]:
            found.setdefault(str(parent), Entry(str(parent), None))
    return [found[place] for place in sorted(found)]


def tar(entries: Iterable[Entry], epoch: int) -> bytes:
    """A tar archive of these entries and no others: folders that exist where it is unpacked keep their modes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for entry in entries:
            header = tarfile.TarInfo(entry.place)
            header.mtime, header.mode = epoch, stat.S_IMODE(entry.mode)
            if isinstance(entry.content, bytes):
                header.size = len(entry.content)
                archive.addfile(header, io.BytesIO(entry.content))
            else:
                header.type = tarfile.DIRTYPE if entry.content is None else tarfile.SYMTYPE
                header.linkname = entry.content or ""
                archive.addfile(header)
    return stream.getvalue()


def cpio(entries: Iterable[Entry], epoch: int) -> bytes:
    """An initrd's archive, not compressed (Linux, Documentation/driver-api/early-userspace/buffer-format.rst)."""
    pieces = [_cpio_entry(number, entry, epoch) for number, entry in enumerate(with_folders(entries), start=1)]
    return b"".join((*pieces, _cpio_member("TRAILER!!!", b"", mode=0, links=1, inode=0, mtime=0)))


def _cpio_entry(inode: int, entry: Entry, epoch: int) -> bytes:
    content = entry.content.encode() if isinstance(entry.content, str) else entry.content or b""
    links = 2 if entry.content is None else 1
    return _cpio_member(entry.place, content, mode=entry.mode, links=links, inode=inode, mtime=epoch)


def _cpio_member(name: str, content: bytes, *, mode: int, links: int, inode: int, mtime: int) -> bytes:
    words = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, links, mtime, len(content), 0, 0, 0, 0, len(words), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields) + words
    return _padded(header) + _padded(content)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)
