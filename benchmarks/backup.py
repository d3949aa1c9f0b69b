"""Backing up half a gigabyte: ours, `tar | zstd -T0 | age`, and restic; all end on the disk."""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from benchmarks.arena import Arena, Row, compare, not_measured, timed_ms
from toolkit.backup import age
from toolkit.backup.sealed import read_through, seal, unsealed

FILES, FILE_BYTES = 64, 8 << 20
ROUNDS = 5
NOTE = "half of it compresses, half does not; ours also hashes what goes in and what lands on the disk"
_PIECE = 1 << 20


def run(_arena: Arena) -> list[Row]:
    """MB of content per second; where restic is not installed, its row says so."""
    with TemporaryDirectory(prefix="rebox-bench-") as name:
        folder = Path(name)
        make_content(folder / "content")
        secret, recipient = age.new_identity()
        ours = with_ours(folder, recipient)
        rows = [
            _row("backup, sealed and on the disk", ours, with_age(folder, recipient), "tar | zstd -3 -T0 | age", 1.0),
        ]
        if shutil.which("restic"):
            rows.append(_row("backup, sealed and on the disk", ours, with_restic(folder), "restic", 2.0))
        else:
            why = "restic is not installed"
            rows.append(not_measured("backup, sealed and on the disk", "restic", why, unit="MB/s", goal=2.0))
        rows.append(
            _row("backup, opened and hashed", *opening(folder, secret), "age -d | zstd -d | sha256sum", 1.0),
        )
        return rows


def _row(work: str, ours: Callable[[], None], peer: Callable[[], None], peer_name: str, goal: float) -> Row:
    megabytes = FILES * FILE_BYTES / 1e6
    return compare(
        f"{work}, {megabytes:.0f} MB",
        lambda: megabytes / (timed_ms(ours) / 1000),
        lambda: megabytes / (timed_ms(peer) / 1000),
        peer_name=peer_name,
        goal=goal,
        unit="MB/s",
        better="more",
        rounds=ROUNDS,
        note=NOTE,
    )


def make_content(folder: Path) -> None:
    """Files in `folder`: in turn random bytes, as recordings are, and text."""
    folder.mkdir()
    dice = Random(1)
    words = [f"{dice.getrandbits(40):x}" for _ in range(3000)]
    for number in range(FILES):
        text = " ".join(dice.choices(words, k=FILE_BYTES // 9)).encode() if number % 2 else b""
        content = (text + dice.randbytes(max(FILE_BYTES - len(text), 0)))[:FILE_BYTES]
        (folder / f"{number:04d}").write_bytes(content)


def with_ours(folder: Path, recipient: str) -> Callable[[], None]:
    """A tar of the folder, sealed as segments are."""

    def back_up() -> None:
        target = folder / "ours.tar.zst.age"
        target.unlink(missing_ok=True)
        seal(_tar(folder / "content"), target, [recipient])

    return back_up


def _tar(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.iterdir()):
        member = tarfile.TarInfo(path.name)
        member.size = path.stat().st_size
        yield member.tobuf()
        with path.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                yield piece
        yield bytes(-member.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def with_age(folder: Path, recipient: str) -> Callable[[], None]:
    """The pipe that people write by hand, with the fsync they forget."""
    target = folder / "peer.tar.zst.age"
    script = 'tar -C "$1" -cf - content | zstd -3 -T0 -q | age -r "$2" > "$3" && sync "$3"'

    def back_up() -> None:
        target.unlink(missing_ok=True)
        subprocess.run(["bash", "-o", "pipefail", "-ec", script, "bash", folder, recipient, target], check=True)

    return back_up


def with_restic(folder: Path) -> Callable[[], None]:
    """A new snapshot in a repository that is emptied of it afterwards, so that no round finds its content there."""
    environment = os.environ | {
        "RESTIC_PASSWORD": "of this benchmark",
        "RESTIC_REPOSITORY": str(folder / "restic"),
        "RESTIC_CACHE_DIR": str(folder / "restic-cache"),
    }

    def restic(*words: str) -> None:
        subprocess.run(["restic", "--quiet", *words], env=environment, check=True, cwd=folder)

    restic("init")
    empty = folder / "restic-empty"
    shutil.copytree(folder / "restic", empty)

    def back_up() -> None:
        restic("backup", "content")
        # not timed apart: removing and copying an empty repository takes a few milliseconds
        for path in (folder / "restic", folder / "restic-cache"):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(empty, folder / "restic")

    return back_up


def opening(folder: Path, secret: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """What verifying with an identity does, and the pipe that does the same."""
    sealed = folder / "ours.tar.zst.age"
    identity = folder / "identity"
    identity.touch(mode=0o600)
    identity.write_text(f"{secret}\n", encoding="ascii")
    script = 'age -d -i "$1" "$2" | zstd -dq | sha256sum > /dev/null'

    def ours() -> None:
        with unsealed(sealed, [age.identity(secret)]) as stream:
            sum(read_through(stream))

    def peer() -> None:
        subprocess.run(["bash", "-o", "pipefail", "-ec", script, "bash", identity, sealed], check=True)

    return ours, peer
