"""The lab's stick is in one place at a time, and moved to another one on request."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.test_boxes import SMALL
from toolkit.disks.volumes import find
from toolkit.lab.lab import Lab
from toolkit.lab.sticks import LABEL, SERIAL
from toolkit.lab.topology import load_topology
from toolkit.model.carry import FolderStation
from toolkit.model.errors import InputError, RefusedError
from toolkit.model.inventory import read_inventory


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    topology = load_topology(SMALL).model_copy(update={"carry": "media"})
    with Lab.up(topology, state=tmp_path_factory.mktemp("state")) as lab:
        yield lab


def places(lab: Lab) -> list[str]:
    return [image.parent.name for image in (lab.folder.path / "sticks").glob("*/*.img")]


def test_it_is_plugged_in_at_one_box_at_most(lab: Lab) -> None:
    assert places(lab) == [".drawer"]
    for host in ("old", "new", "new"):
        lab.plug_stick(host)
        assert places(lab) == [host]
    lab.pull_stick()
    lab.pull_stick()
    assert places(lab) == [".drawer"]


def test_it_has_an_empty_file_system_with_a_label(lab: Lab) -> None:
    lab.pull_stick()
    found = find(lab.folder.sticks() / f"{SERIAL}.img")
    assert found
    assert (found.kind, found.label) == ("vfat", LABEL)


def test_only_a_box_has_a_port_for_it(lab: Lab) -> None:
    with pytest.raises(InputError, match="no stick can be plugged into 'client1'"):
        lab.plug_stick("client1")


def test_the_operators_inventory_says_where_it_goes(lab: Lab) -> None:
    file = lab.folder.operator / "inventory.toml"
    carry = read_inventory(file.read_text(encoding="utf-8"), str(file)).carry
    assert carry
    assert carry.stick == f"serial={SERIAL}"
    assert isinstance(carry.old, FolderStation)
    assert Path(carry.old.folder) == lab.folder.sticks("old")
    assert carry.mover


def test_a_lab_without_a_stick_says_how_to_get_one(tmp_path: Path) -> None:
    with Lab.up(load_topology(SMALL), state=tmp_path) as lab, pytest.raises(RefusedError, match="has no stick") as told:
        lab.plug_stick("old")
    assert 'carry = "media"' in told.value.next_move
