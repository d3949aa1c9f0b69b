"""Keeps the tracebacks of our faults in the run's `engine.log` and nowhere else."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

LOGGER = logging.getLogger("toolkit.engine")
_BYTES_MAX = 512 * 1024


class _Redacting(logging.Formatter):
    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


@contextlib.contextmanager
def engine_log(run_directory: Path, redact: Callable[[str], str]) -> Iterator[None]:
    """While it lasts, the logger writes to `engine.log` (at most 1 MiB with its predecessor) and to no console."""
    handler = RotatingFileHandler(
        run_directory / "engine.log", maxBytes=_BYTES_MAX, backupCount=1, encoding="utf-8", delay=True
    )
    handler.setFormatter(_Redacting(redact))
    # a full disk must not print tracebacks over the progress display
    handler.handleError = lambda record: None  # type: ignore[method-assign]
    propagate, level = LOGGER.propagate, LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.propagate = False
    LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.propagate = propagate
        LOGGER.setLevel(level)
        # what the log still holds cannot be written to a full disk; why the run stopped is being said already
        with contextlib.suppress(OSError):
            handler.close()
