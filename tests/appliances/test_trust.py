"""What a run has learnt to trust outlives it, and is written down before it is needed."""

import json
from pathlib import Path

import pytest

from tests.step_context import StubBox, context_of, world_of
from toolkit.appliances.trust import box, trust
from toolkit.model.errors import StorageError

FILE = "trusted-certificates.json"
FIRST, SECOND = "1" * 64, "2" * 64


def test_a_resumed_run_trusts_what_the_killed_one_had_learnt(tmp_path: Path) -> None:
    trust(context_of(tmp_path, world_of(tmp_path)), "old", FIRST)
    trust(context_of(tmp_path, world_of(tmp_path)), "old", SECOND)
    old, new = StubBox("old", "10.77.0.21"), StubBox("new", "10.77.0.22")
    resumed = context_of(tmp_path, world_of(tmp_path, old=old, new=new))
    assert box(resumed, "old") is old.appliance
    assert box(resumed, "new") is new.appliance
    assert (old.trusted, new.trusted) == ([FIRST, SECOND], [])


def test_it_is_on_disk_before_the_box_is_told(tmp_path: Path) -> None:
    class Watched(StubBox):
        def trust(self, certificate_sha256: str) -> None:
            assert json.loads((tmp_path / FILE).read_text()) == {"new": [certificate_sha256]}
            super().trust(certificate_sha256)

    new = Watched("new", "10.77.0.22")
    trust(context_of(tmp_path, world_of(tmp_path, new=new)), "new", FIRST)
    assert new.trusted == [FIRST]


def test_the_same_certificate_is_written_once_and_nothing_is_left_half_written(tmp_path: Path) -> None:
    context = context_of(tmp_path, world_of(tmp_path))
    trust(context, "old", FIRST)
    trust(context, "old", FIRST)
    assert json.loads((tmp_path / FILE).read_text()) == {"old": [FIRST]}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_what_cannot_be_written_is_not_trusted(tmp_path: Path) -> None:
    old = StubBox("old", "10.77.0.21")
    context = context_of(tmp_path / "gone", world_of(tmp_path, old=old))
    with pytest.raises(StorageError, match=FILE):
        trust(context, "old", FIRST)
    assert old.trusted == []


@pytest.mark.parametrize("content", ["", "[]", '{"new": ["abc"]}', '{"newer": []}'])
def test_a_damaged_record_is_named_and_nothing_is_trusted(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    new = StubBox("new", "10.77.0.22")
    with pytest.raises(StorageError, match=f"{FILE}.*damaged.*Restore the file"):
        box(context_of(tmp_path, world_of(tmp_path, new=new)), "new")
    assert new.trusted == []
