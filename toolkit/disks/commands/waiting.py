"""Waits for a disk that erases itself: by asking it, or for a command that ends only when all is done."""

import threading
import time
from collections.abc import Callable

from toolkit.disks.commands.technique import POLL_SECONDS, CommandFailed, Sleep
from toolkit.disks.device import Progress
from toolkit.disks.refusal import Failed, Unknown

_IN_VAIN_MAX = 30
_NEARLY = 0.99


def poll(ask: Callable[[], float], progress: Progress, sleep: Sleep) -> None:
    """Until `ask` says 1.0; a disk that does not answer for a minute while it works raises Unknown."""
    in_vain = 0
    while True:
        try:
            done = ask()
        except CommandFailed as failed:
            in_vain += 1
            if in_vain > _IN_VAIN_MAX:
                raise Unknown(f"the disk no longer says how far its erasure is: {failed}") from None
        else:
            in_vain = 0
            progress(min(done, 1.0))
            if done >= 1.0:
                return
        sleep(POLL_SECONDS)


def under_way(ask: Callable[[], float]) -> float | None:
    """How far an erasure is that was begun before, and that the disk goes on with; None: it tells of none."""
    try:
        done = ask()
    except (CommandFailed, Failed):
        return None
    return done if done < 1.0 else None


def hold_out(command: Callable[[], object], seconds: float, progress: Progress, what: str) -> None:
    """Runs a command that says nothing until it ends; progress is what it should take. Raises Failed with `what`."""
    failures: list[CommandFailed] = []

    def run() -> None:
        try:
            command()
        except CommandFailed as failed:
            failures.append(failed)

    thread = threading.Thread(target=run, daemon=True)
    began = time.monotonic()
    thread.start()
    while thread.is_alive():
        thread.join(POLL_SECONDS)
        progress(min((time.monotonic() - began) / max(seconds, POLL_SECONDS), _NEARLY))
    if failures:
        raise Failed(f"{what}: {failures[0]}")
    progress(1.0)
