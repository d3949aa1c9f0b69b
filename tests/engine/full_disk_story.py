"""Runs on a disk that is filled to its last byte: `python -m tests.engine.full_disk_story STORY FOLDER` prints JSON.

It mounts a small file system of its own, so it is started in a mount namespace of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.engine.ledger import REVERSIBLE, KillAt, Place, in_child
from toolkit.engine import Engine, RunState
from toolkit.engine.journal import JOURNAL_FILE
from toolkit.engine.room import RESERVE_FILE
from toolkit.model.errors import StorageError
from toolkit.storage.whole_file import write_whole

_REPORT = b"a report" * 250_000


def fill(disk: Path) -> None:
    """Leaves no byte free."""
    descriptor = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    size = 1 << 20
    while size:
        try:
            os.write(descriptor, b"x" * size)
        except OSError:
            size //= 2
    os.close(descriptor)
    assert os.statvfs(disk).f_bfree == 0


def told(place: Place, engine: Engine, run_id: str, **more: object) -> dict[str, object]:
    folder = engine.directory(run_id)
    [run] = engine.runs()
    reserve = folder / RESERVE_FILE
    return {
        "state": run.state,
        "lines": place.lines(),
        "reserve_bytes": reserve.stat().st_size if reserve.exists() else None,
        "files": sorted(path.name for path in folder.iterdir()),
        "claims": sorted(path.name for path in (engine.state_directory / "claims").iterdir()),
        **more,
    }


def back(place: Place, disk: Path, *, point: str) -> dict[str, object]:
    """A run that was killed, or has passed, and goes back when there is no room left."""
    fields = {"runs_directory": disk / "runs", "state_directory": disk / "state"}
    engine = place.engine(**fields)
    run_id = engine.start(REVERSIBLE)
    if point:
        kill = KillAt(place.folder / "kills.txt", only=point)
        assert in_child(lambda: place.engine(**fields, checkpoint=kill).run(run_id)) == -9
    else:
        assert engine.run(run_id).state is RunState.PASSED
    fill(disk)
    outcome = engine.back(run_id)
    write_whole(outcome.run_directory / "report.html", _REPORT)
    return told(place, engine, run_id, said=f"{outcome.summary} {outcome.next_move}")


def back_again_and_again(place: Place, disk: Path) -> dict[str, object]:
    """Killed at every moment of the way back, on a full disk that somebody keeps full."""
    fields = {"runs_directory": disk / "runs", "state_directory": disk / "state"}
    engine = place.engine(**fields)
    run_id = engine.start(REVERSIBLE)
    engine.run(run_id)
    kill, kills = KillAt(place.folder / "kills.txt"), 0
    fill(disk)
    while (status := in_child(lambda: place.engine(**fields, checkpoint=kill).back(run_id))) == -9:
        kills += 1
        fill(disk)
    return told(place, engine, run_id, kills=kills, status=status)


def forward(place: Place, disk: Path) -> dict[str, object]:
    """A run that was killed before the swing and cannot go on; then it can."""
    fields = {"runs_directory": disk / "runs", "state_directory": disk / "state"}
    engine = place.engine(**fields)
    run_id = engine.start(REVERSIBLE)
    kill = KillAt(place.folder / "kills.txt", only="copy:recorded")
    assert in_child(lambda: place.engine(**fields, checkpoint=kill).run(run_id)) == -9
    fill(disk)
    size = (engine.directory(run_id) / JOURNAL_FILE).stat().st_size
    said = ""
    for _ in range(40):  # the last block of a file has room for some records
        try:
            engine.resume(run_id)
        except StorageError as error:
            said = str(error)
            break
    stopped = told(place, engine, run_id, said=said, grown_bytes=size)
    (disk / "filler").unlink()
    stopped["afterwards"] = engine.resume(run_id).state
    return stopped


def main() -> None:
    story, folder = sys.argv[1], Path(sys.argv[2])
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", disk], check=True)
    place = Place(folder)
    stories = {
        "back": lambda: back(place, disk, point=""),
        "back-from-the-swing": lambda: back(place, disk, point="swing:acted"),
        "again": lambda: back_again_and_again(place, disk),
        "forward": lambda: forward(place, disk),
    }
    print(json.dumps(stories[story]()))


if __name__ == "__main__":
    main()
