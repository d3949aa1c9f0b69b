"""What the tests of sticks share: sticks of every kind, something to carry, and ways to have things go wrong."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.disks.block_devices import image, loop
from toolkit.disks.plugged import of_device, of_image
from toolkit.disks.volumes import Volume
from toolkit.media.cargo import Kind, Manifest
from toolkit.media.carrier import Carrier
from toolkit.media.local import LocalCarrier, held
from toolkit.media.read import Checked, verify
from toolkit.media.sources import sources
from toolkit.media.write import Purpose, write
from toolkit.signing import own_key, trusted_signers

PURPOSE = Purpose(Kind.BACKUP, "old box, serial number 4711", "rebox test", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
PART_BYTES = 200_000
FILES = {
    "backup/settings.age": bytes(range(256)) * 2000,  # two whole parts and a rest
    "backup/manifest.json": b"{}",
    "backup/Größe und Länge.txt": b"x" * PART_BYTES,  # a whole part
    "backup/below/empty": b"",
}


def quiet(_fraction: float, _phase: str) -> None:
    """Progress for nobody."""


def something(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    """A folder `backup` with files in it."""
    for name, content in (FILES if files is None else files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "backup"


def lies_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@contextmanager
def a_stick(folder: Path, kind: str, *, mib: int = 40, label: str = "STICK") -> Iterator[LocalCarrier]:
    """One of this kind: "image" is a file with vfat, the others are loop devices and need root."""
    path = folder / f"{label.lower()}.img"
    image(path, "vfat" if kind == "image" else kind, mib=mib, label=label)
    with again(path, kind) as carrier:
        yield carrier


@contextmanager
def again(path: Path, kind: str) -> Iterator[LocalCarrier]:
    """The same stick, plugged in once more."""
    if kind == "image":
        with held(of_image(path), writing=True) as carrier:
            yield carrier
        return
    with loop(path) as device, held(of_device(device.name), [str(device)], writing=True) as carrier:
        yield carrier


def carry(carrier: Carrier, given: Path, state: Path, *, replace: bool = False) -> Manifest:
    """Writes with small parts."""
    return write(
        carrier, sources([given]), PURPOSE, own_key(state), quiet, part_bytes=PART_BYTES, replace=replace
    )  # fmt: skip


def check(carrier: Carrier, state: Path, *, copied: bool = False) -> Checked:
    """Verifies all of it."""
    return verify(carrier, trusted_signers(state), quiet, copied=copied)


@dataclass(frozen=True)
class Meddling:
    """A stick to which something happens: `before` is called ahead of each thing that is done to it, with its name."""

    real: Carrier
    before: Callable[[str], None]

    @property
    def name(self) -> str:
        return self.real.name

    @property
    def volume_uuid(self) -> str:
        return self.real.volume_uuid

    @property
    def volume_kind(self) -> str:
        return self.real.volume_kind

    @contextmanager
    def open(self, *, writing: bool) -> Iterator[Volume]:
        self.before(f"open for {'writing' if writing else 'reading'}")
        with self.real.open(writing=writing) as volume:
            yield _MeddledVolume(volume, self.before)
            self.before("close")


@dataclass(frozen=True)
class _MeddledVolume:
    real: Volume
    before: Callable[[str], None]

    def names(self) -> tuple[str, ...]:
        self.before("names")
        return self.real.names()

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        self.before(f"write {name}")

        def meddled() -> Iterator[bytes]:
            for chunk in chunks:
                self.before(f"piece of {name}")
                yield chunk

        self.real.write(name, meddled())

    def read(self, name: str) -> Iterator[bytes]:
        self.before(f"read {name}")
        yield from self.real.read(name)

    def remove(self, name: str) -> None:
        self.before(f"remove {name}")
        self.real.remove(name)

    def free_bytes(self) -> int:
        self.before("free_bytes")
        return self.real.free_bytes()

    def close(self) -> None:
        self.real.close()


def killed_at(number: int, work: Callable[[Callable[[str], None]], None]) -> bool:
    """Runs `work` in a process that is killed with -9 at its n-th deed; whether it came to that."""
    child = os.fork()
    if not child:
        count = 0

        def before(_what: str) -> None:
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            work(before)
        except BaseException:
            os._exit(99)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the work failed by itself"
    return os.WIFSIGNALED(status)
