"""Run as `python -m tests.emulator.appliance.full_disk FOLDER URL UPDATE` on a disk too small for the update."""

import sys
from pathlib import Path

from tests.emulator.appliance.update_box import UpdateBox


def _main(folder: Path, url: str, update_id: str) -> None:
    box = UpdateBox(folder, url)
    before = box.snapshot()
    box.updates.install(update_id, "test")
    error = box.jobs.wait().error
    box.updates.recover()
    left = set(box.snapshot()) - set(before)
    sys.stdout.write(f"{error.error if error else None}\n{box.versions.base}\n{left or 'nothing left behind'}\n")


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
