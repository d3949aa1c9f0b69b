"""What a committed change survives: a kill always, a power cut where the box is a machine of its own."""

from pathlib import Path

import pytest

from toolkit.emulator.appliance.data_keys import DataKeys
from toolkit.emulator.appliance.database import Database


@pytest.mark.parametrize(("power_may_fail", "level"), [(True, 2), (False, 1)])
def test_a_box_that_is_a_machine_has_every_change_on_its_disk_before_it_answers(
    tmp_path: Path, power_may_fail: bool, level: int
) -> None:
    keys = DataKeys(tmp_path / "data.keys")
    keys.make()
    database = Database(tmp_path / "state.sqlite3", keys, power_may_fail=power_may_fail)
    database.open()
    try:
        row = database.row("PRAGMA synchronous")
        assert row is not None
        assert row["synchronous"] == level
    finally:
        database.close()
