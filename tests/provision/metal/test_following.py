"""How far the installer is, by what it says: of one disk, and of several that it wipes one after the other."""

import pytest

from toolkit.provision.metal.following import _done


@pytest.mark.parametrize(
    ("event", "done"),
    [
        ({"phase": "inventory"}, 0.0),
        ({"phase": "write", "fraction": 0.5}, 0.25),
        ({"phase": "read-back", "fraction": 0.5}, 0.75),
        ({"phase": "erase", "fraction": 0.9}, 0.0),
        ({"phase": "write", "fraction": 0.5, "number": 2, "of": 4}, 0.3125),
        ({"phase": "wiped", "number": 2, "of": 4}, 0.5),
        ({"phase": "read-back", "fraction": 7, "number": 4, "of": 4}, 1.0),
        ({"phase": "write", "fraction": "half", "number": 9, "of": 4}, 0.0),
    ],
)
def test_progress_grows_with_every_disk(event: dict[str, object], done: float) -> None:
    assert _done(event, str(event["phase"])) == done
