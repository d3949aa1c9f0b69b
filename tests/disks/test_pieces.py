"""Pieces of a disk: all of it, in order, several at a time, and none on its way when who asked has left."""

from threading import Event, Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.disks.pieces import IN_FLIGHT, in_flight, pieces


@given(begin=st.integers(0, 99), size=st.integers(0, 99), length=st.integers(1, 40))
def test_pieces_are_all_of_it_and_none_is_too_long(begin: int, size: int, length: int) -> None:
    cut = list(pieces(begin, begin + size, length))
    assert [at for offset, count in cut for at in range(offset, offset + count)] == list(range(begin, begin + size))
    assert all(0 < count <= length for _, count in cut)


@given(spans=st.lists(st.tuples(st.integers(0, 99), st.integers(1, 9)), max_size=20))
def test_what_comes_of_each_is_told_in_order(spans: list[tuple[int, int]]) -> None:
    with in_flight(lambda offset, length: offset * length, spans) as done:
        assert list(done) == [(offset, length, offset * length) for offset, length in spans]


def test_the_next_is_on_its_way_while_one_is_waited_for() -> None:
    second_began = Event()

    def work(offset: int, _length: int) -> None:
        if offset:
            second_began.set()
        else:
            # alone, the first would wait in vain
            assert second_began.wait(10)

    with in_flight(work, pieces(0, 4, 1)) as done:
        assert [offset for offset, _, _ in done] == [0, 1, 2, 3]


def test_whoever_leaves_in_the_middle_leaves_nothing_on_its_way() -> None:
    """A descriptor that is closed then may be another file's a moment later."""
    running, begun, lock = 0, 0, Lock()

    def work(offset: int, _length: int) -> None:
        nonlocal running, begun
        with lock:
            running, begun = running + 1, begun + 1
        try:
            if offset == 1:
                raise OSError("it cannot be read")
        finally:
            with lock:
                running -= 1

    with pytest.raises(OSError, match="it cannot be read"), in_flight(work, pieces(0, 1000, 1)) as done:
        for _ in done:
            pass
    assert running == 0
    assert begun <= 1 + 2 * IN_FLIGHT
