"""Run as `python -m tests.emulator.appliance.reset_cut_off DISK STAGE`: a reset whose power is cut at a stage."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.emulator.appliance.quiet_box import QuietBox
from toolkit.emulator.appliance import reset
from toolkit.emulator.appliance.data_keys import DataKeys
from toolkit.emulator.appliance.disk import Disk


def _cut() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _cut_off(owner: Any, name: str, *, after: bool, at_call: int = 1) -> None:
    """Replaces a step by one that ends this process before or after it."""
    real: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def step(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at_call and not after:
            _cut()
        result = real(*arguments, **named)
        if calls == at_call and after:
            _cut()
        return result

    setattr(owner, name, step)


_STAGES: dict[str, Callable[[], None]] = {
    "intended": lambda: _cut_off(DataKeys, "destroy_before", after=False),
    "key half overwritten": lambda: _cut_off(DataKeys, "_write_block", after=False),
    "key destroyed": lambda: _cut_off(DataKeys, "destroy_before", after=True),
    "certificate removed": lambda: _cut_off(Disk, "remove_kept", after=False),
    "half removed": lambda: _cut_off(Path, "unlink", after=True, at_call=5),
    "removed": lambda: _cut_off(Disk, "remove_kept", after=True),
    "laid": lambda: _cut_off(reset, "lay_first_boot", after=True),
    "next key": lambda: _cut_off(reset.Reset, "_prepare", after=True),
    "complete": lambda: _cut_off(reset.Reset, "_write", after=True),
}


def _main(folder: Path, stage: str) -> None:
    box = QuietBox(folder)
    box.power_on()
    begin = reset.Reset.begin

    def begin_and_cut(self: reset.Reset, ended: Callable[[], None]) -> None:
        _STAGES[stage]()
        begin(self, ended)

    reset.Reset.begin = begin_and_cut  # type: ignore[method-assign]  # only once the intent is written
    box.power.reset("me", box.identity.serial_number)
    threading.Event().wait(30)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), sys.argv[2])
