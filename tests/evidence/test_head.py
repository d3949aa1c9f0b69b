"""The head beside a chain: in place, one torn slot costs nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.evidence.chain import Link
from toolkit.evidence.head import Head, new_head, read_head
from toolkit.model.errors import StorageError


def link(number: int) -> Link:
    return Link(number, f"{number:064x}")


def test_it_says_where_the_chain_stands_and_never_grows(tmp_path: Path) -> None:
    path = tmp_path / "head"
    path.write_bytes(new_head(link(1)))
    with Head(path) as head:
        for number in range(2, 12):
            head.write(link(number))
            assert read_head(path) == link(number)
            assert path.stat().st_size == 8192


@given(st.integers(2, 30), st.data())
def test_any_damage_in_one_slot_leaves_the_other(
    tmp_path_factory: pytest.TempPathFactory, number: int, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("head") / "head"
    path.write_bytes(new_head(link(number - 1)))
    with Head(path) as head:
        head.write(link(number))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, 150) | st.integers(4096, 4246))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    assert read_head(path) in (link(number), link(number - 1))


def test_without_a_whole_slot_nothing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "head"
    path.write_bytes(b"\0" * 8192)
    assert read_head(path) is None
    path.write_bytes(b"")
    assert read_head(path) is None
    path.unlink()
    with pytest.raises(StorageError, match="head"):
        read_head(path)
