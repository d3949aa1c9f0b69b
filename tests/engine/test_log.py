"""The engine's log is the least of a run's records: that it cannot be written hides no reason."""

from pathlib import Path

import pytest

from toolkit.engine.log import LOGGER, engine_log
from toolkit.model.errors import StorageError


def stop(folder: Path) -> None:
    with engine_log(folder, str):
        LOGGER.error("this cannot be kept")
        raise StorageError("the database cannot be written")


def test_a_full_disk_under_the_log_does_not_hide_why_the_run_stops(tmp_path: Path) -> None:
    (tmp_path / "engine.log").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="the database cannot be written"):
        stop(tmp_path)
