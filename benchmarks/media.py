"""Writing a stick and reading all of it back from it: ours, and cp, sync and cmp as people do it by hand."""

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.arena import Arena, Row, compare, not_measured, timed_ms
from benchmarks.wipe import attached
from toolkit.disks.plugged import of_device
from toolkit.media.cargo import Kind
from toolkit.media.local import held
from toolkit.media.sources import sources
from toolkit.media.write import Purpose, write
from toolkit.signing import own_key

SIZE = 256 << 20
ROUNDS = 5
_STICK = SIZE + (128 << 20)
_WORK = f"write to a stick and read back, {SIZE / 1e6:.0f} MB, ext4"
NOTE = (
    "a loop device with ext4 whose file is read and written past the kernel's memory; the same for both: formatted, "
    "written, brought to the device, unmounted, read back from the device and compared; ours also hashes, signs and "
    "reads back a manifest"
)


def run(_arena: Arena) -> list[Row]:
    """MB of data per second; without root no loop device can be attached, and the row says so."""
    if os.geteuid() != 0:
        return [not_measured(_WORK, "cp + sync + cmp", "only root can attach a loop device", unit="MB/s")]
    with TemporaryDirectory(prefix="rebox-bench-") as name:
        folder = Path(name)
        data, image = folder / "records.age", folder / "stick.img"
        data.write_bytes(os.urandom(SIZE))
        image.write_bytes(bytes(_STICK))
        with attached(image) as device:
            megabytes = SIZE / 1e6
            ours, peer = with_ours(device, data, folder), with_cp(device, data, folder)
            return [
                compare(
                    _WORK,
                    lambda: megabytes / (after_format(device, ours) / 1000),
                    lambda: megabytes / (after_format(device, peer) / 1000),
                    peer_name="cp + sync + cmp",
                    goal=None,
                    unit="MB/s",
                    better="more",
                    rounds=ROUNDS,
                    note=NOTE,
                )
            ]


def after_format(device: Path, work: Callable[[], None]) -> float:
    """Milliseconds that the work takes on a stick that is empty."""
    words = ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(device)]
    subprocess.run(words, check=True, capture_output=True)
    return timed_ms(work)


def with_ours(device: Path, data: Path, folder: Path) -> Callable[[], None]:
    """All that `rebox media write` does, once its stick is chosen."""
    key = own_key(folder / "state")
    given = sources([data])
    purpose = Purpose(Kind.BACKUP, "a benchmark", "rebox", datetime.now(UTC))

    def written() -> None:
        with held(of_device(device.name), [str(device)], writing=True) as carrier:
            write(carrier, given, purpose, key, lambda *_: None)

    return written


def with_cp(device: Path, data: Path, folder: Path) -> Callable[[], None]:
    """What people write by hand; mounted anew before it is compared, so that cmp reads the stick."""
    place = folder / "mnt"
    place.mkdir(exist_ok=True)
    script = (
        'mount "$1" "$3"; trap \'umount "$3"\' EXIT; cp "$2" "$3/"; sync -f "$3"; umount "$3"; '
        'blockdev --flushbufs "$1"; mount -o ro "$1" "$3"; cmp "$2" "$3/${2##*/}"'
    )

    def written() -> None:
        subprocess.run(["bash", "-ec", script, "bash", str(device), str(data), str(place)], check=True)

    return written
