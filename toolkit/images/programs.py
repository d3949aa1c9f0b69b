"""Runs the programs that a build needs, and says in words for people why one could not do its work."""

import errno
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from toolkit.model.errors import InputError, ReboxError, StorageError
from toolkit.storage.errors import storage_error

PACKAGES = {
    "apt-cache": "apt",
    "apt-get": "apt",
    "debugfs": "e2fsprogs",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "fakeroot": "fakeroot",
    "mcopy": "mtools",
    "mkfs.vfat": "dosfstools",
    "mke2fs": "e2fsprogs",
    "mmd": "mtools",
    "mmdebstrap": "mmdebstrap",
    "objcopy": "binutils",
    "sfdisk": "fdisk",
    "syslinux": "syslinux",
    "tar": "tar",
    "xorriso": "xorriso",
}
"""The Debian package of each program."""

_TAIL_LINES = 5
# tools of the administrator are not on everybody's PATH
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


class Workshop:
    """Where programs run: their scratch folder, their dates, and a descriptor that they hold while they live."""

    def __init__(self, scratch: Path, epoch: int, held: int | None = None) -> None:
        """`epoch` is what every date becomes, in seconds; `held` is inherited by every program (a lock)."""
        self.scratch = scratch
        self.epoch = epoch
        self._held = () if held is None else (held,)

    def run(
        self,
        *command: str | Path,
        stdin: bytes | IO[bytes] | None = None,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> bytes:
        """What the program writes; raises InputError (not installed), StorageError (disk full), ReboxError."""
        words = [str(word) for word in command]
        given: dict[str, object] = (
            {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin or subprocess.DEVNULL}
        )
        try:
            done = subprocess.run(  # type: ignore[call-overload]  # which of input and stdin is given is decided above
                words,
                capture_output=True,
                env={**self._environment(), **(environment or {})},
                cwd=cwd or self.scratch,
                pass_fds=self._held,
                check=False,
                **given,
            )
        except FileNotFoundError:
            raise _missing(words[0]) from None
        if done.returncode:
            raise _failed(words, done.returncode, done.stderr or done.stdout, self.scratch)
        return bytes(done.stdout)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DEB", "DPKG", "E2FS"))}
        return {
            **kept,
            "PATH": _PATH,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "TMPDIR": str(self.scratch),
            "SOURCE_DATE_EPOCH": str(self.epoch),
            "E2FSPROGS_FAKE_TIME": str(self.epoch),
            "MTOOLS_SKIP_CHECK": "1",
        }


def _missing(program: str) -> InputError:
    package = PACKAGES.get(program, program)
    return InputError(
        "a program is missing that images are built with",
        where=program,
        next_move=f"Install it: apt-get install --no-install-recommends {package}",
    )


def _failed(words: Sequence[str], status: int, said: bytes, scratch: Path) -> ReboxError:
    text = said.decode(errors="replace")
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return disk_full(scratch)
    tail = " / ".join(line.strip() for line in text.strip().splitlines()[-_TAIL_LINES:])
    return ReboxError(
        f"{words[0]} failed while the image was built", where=" ".join(words[:3]), why=tail or f"exit status {status}"
    )


def disk_full(place: Path) -> StorageError:
    """The disk that holds the images is full; nothing half is left."""
    return not_kept(place, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


def not_kept(place: Path, error: OSError) -> StorageError:
    """Why the image cannot be written."""
    return storage_error(
        place, error, what="the image cannot be built", then="build again, or choose another disk with REBOX_CACHE"
    )
