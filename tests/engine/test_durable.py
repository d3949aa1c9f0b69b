"""The durable sequence by itself: each piece once, whatever ends it."""

from pathlib import Path

import pytest

from toolkit.engine.durable import DurableStore, Kept, Work
from toolkit.engine.log import engine_log
from toolkit.model.errors import InternalError, StorageError


class Sequence:
    """Three pieces that count how often each was done; one of them can be told to stop or to raise."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[str] = []
        self.settled: list[tuple[str, bool]] = []
        self.stop_at = ""
        self.error: BaseException | None = None

    def piece(self, name: str) -> Work:
        def do() -> Kept:
            self.done.append(name)
            if name == self.stop_at and self.error is not None:
                raise self.error
            return {"done": name != self.stop_at, "name": name}

        return Work(name, do)

    def carry(self, process: str) -> None:
        with (
            engine_log(self.folder, lambda text: text),
            DurableStore(f"sqlite:///{self.folder}/engine.sqlite", process, self.folder) as store,
        ):
            store.carry_through(
                "sequence",
                [self.piece(name) for name in ("a", "b", "c")],
                lambda name, kept, now: self.settled.append((name, now)),
            )


@pytest.fixture
def sequence(tmp_path: Path) -> Sequence:
    return Sequence(tmp_path)


def test_a_piece_that_was_done_is_not_done_again(sequence: Sequence) -> None:
    sequence.stop_at = "b"
    sequence.carry("p1")
    sequence.stop_at = ""
    sequence.carry("p2")
    sequence.carry("p3")
    assert sequence.done == ["a", "b", "b", "c"]
    assert sequence.settled[-3:] == [("a", False), ("b", False), ("c", False)]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StorageError("the disk is full")])
def test_what_a_piece_raises_comes_out_and_the_piece_is_done_again(sequence: Sequence, error: BaseException) -> None:
    sequence.stop_at, sequence.error = "b", error
    with pytest.raises(type(error)):
        sequence.carry("p1")
    sequence.stop_at = ""
    sequence.carry("p2")
    assert sequence.done == ["a", "b", "b", "c"]


def test_a_damaged_database_is_told_in_our_words(sequence: Sequence) -> None:
    (sequence.folder / "engine.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(InternalError, match=r"See engine\.log") as told:
        sequence.carry("p1")
    assert "sqlite" not in str(told.value).replace(str(sequence.folder), "").lower()
    assert sequence.done == []
    assert "file is not a database" in (sequence.folder / "engine.log").read_text()


def test_a_database_without_room_says_what_to_free(sequence: Sequence) -> None:
    error = DurableStore("sqlite://", "p", sequence.folder)._explain(Exception("database or disk is full"))
    assert isinstance(error, StorageError)
    assert "Free space" in error.next_move
    assert str(sequence.folder) in error.where
