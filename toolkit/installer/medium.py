"""The medium that the installer was started from: which disk it is, the job on it, and the image it holds."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from toolkit.disks.refusal import Failed, Refused
from toolkit.installer.machine import Inventory, inventory, volume_label

LABEL = "REBOX-INSTALLER"
FOLDER = Path("/medium")
_JOB = "job.json"
_SECONDS_MAX, _QUIET_SECONDS, _INTERVAL_SECONDS = 20.0, 1.5, 0.25


@dataclass(frozen=True)
class Contained:
    """The image on the medium."""

    name: str
    sha256: str
    size_bytes: int


def load_drivers() -> None:
    """For whatever the kernel has found by now."""
    subprocess.run(["/bin/load-drivers"], check=False)


def settled(enough: Callable[[Inventory], bool], seconds_max: float = _SECONDS_MAX) -> Inventory:
    """The machine once it has what is wanted and nothing more turned up for a while; or as it is when time is up."""
    began = changed = time.monotonic()
    known = inventory()
    while True:
        load_drivers()
        time.sleep(_INTERVAL_SECONDS)
        now, found = time.monotonic(), inventory()
        if found != known:
            known, changed = found, now
        if now - began > seconds_max or (enough(known) and now - changed > _QUIET_SECONDS):
            return known


def media(machine: Inventory) -> list[str]:
    """The names of the disks that hold an installer."""
    return [disk.name for disk in machine.disks if volume_label(disk.path) == LABEL]


def is_there(machine: Inventory) -> bool:
    """Whether the installer has its medium: it came along in the initrd, over the network, or a disk holds one."""
    return _came_along() or bool(media(machine))


def _came_along() -> bool:
    return (FOLDER / _JOB).exists()


def mount(machine: Inventory) -> str:
    """Mounts the medium; its disk's name, "" when it came over the network, which counts before any disk.

    Raises Refused when there are several: which job counts cannot be told.
    """
    if _came_along():
        return ""
    found = media(machine)
    if len(found) != 1:
        raise Refused(
            f"several disks hold an installer ({', '.join(found)}): leave one in the machine"
            if found
            else "the medium that this was started from is not there any more"
        )
    # a drive is slow to begin, not to read on
    with suppress(OSError):
        Path(f"/sys/class/block/{found[0]}/queue/read_ahead_kb").write_text("2048", encoding="ascii")
    words = ["mount", "-t", "iso9660", "-o", "ro", f"/dev/{found[0]}", str(FOLDER)]
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode:
        raise Refused(f"the medium cannot be read: {done.stderr.decode(errors='replace').strip()}")
    return found[0]


def job_on(folder: Path = FOLDER) -> bytes:
    """The job's bytes, which may be nothing but spaces."""
    return (folder / _JOB).read_bytes()


def contained(folder: Path = FOLDER) -> Contained:
    """What the medium says of its image."""
    facts = json.loads((folder / "image.json").read_bytes())
    return Contained(name=facts["name"], sha256=facts["sha256"], size_bytes=facts["size_bytes"])


@contextmanager
def unpacked(folder: Path = FOLDER) -> Iterator[IO[bytes]]:
    """The image, while it is decompressed by a process of its own; raises Failed when the medium is damaged."""
    words = ["zstd", "--decompress", "--stdout", "--quiet", str(folder / "image.zst")]
    with TemporaryFile() as said, subprocess.Popen(words, stdout=subprocess.PIPE, stderr=said) as process:
        try:
            if process.stdout is not None:
                yield process.stdout
            status = process.wait()
        except Failed:
            # an image that ends too soon has a reason, which its unpacker knows
            status = _ended(process)
            if status <= 0:
                raise
        if status:
            said.seek(0)
            why = said.read().decode(errors="replace").strip()
            raise Failed(f"the image on the medium cannot be unpacked: {why}")


def _ended(process: "subprocess.Popen[bytes]") -> int:
    try:
        return process.wait(_INTERVAL_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
