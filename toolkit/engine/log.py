"""Keeps the durable engine's words, and the tracebacks of our faults, in the run's `engine.log` and nowhere else."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

LOGGER = logging.getLogger("toolkit.engine")
_NAMES = ("dbos", LOGGER.name)
_BYTES_MAX = 512 * 1024


class _Redacting(logging.Formatter):
    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


@contextlib.contextmanager
def engine_log(run_directory: Path, redact: Callable[[str], str]) -> Iterator[None]:
    """While it lasts, both loggers write to `engine.log` (at most 1 MiB with its predecessor) and to no console."""
    handler = RotatingFileHandler(
        run_directory / "engine.log", maxBytes=_BYTES_MAX, backupCount=1, encoding="utf-8", delay=True
    )
    handler.setFormatter(_Redacting(redact))
    # a full disk must not print tracebacks over the progress display
    handler.handleError = lambda record: None  # type: ignore[method-assign]
    before = [(logger, logger.propagate, logger.level) for logger in map(logging.getLogger, _NAMES)]
    for logger, _, _ in before:
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, propagate, level in before:
            logger.removeHandler(handler)
            logger.propagate = propagate
            logger.setLevel(level)
        # what the log still holds cannot be written to a full disk; why the run stopped is being said already
        with contextlib.suppress(OSError):
            handler.close()
