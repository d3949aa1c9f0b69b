"""What is sent to the agent and what it answers: however a connection says that it has ended, it is told as lost."""

import io

import pytest

from toolkit.disks.frames import Frames, Lost


class Ended(io.BytesIO):
    """A connection on which nothing goes any more."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def read(self, size: int | None = -1, /) -> bytes:
        raise self.error

    def write(self, content: object, /) -> int:
        raise self.error


# as pipes say it, an SSH channel in the middle of a packet, and a file object that was closed meanwhile
@pytest.mark.parametrize("error", [BrokenPipeError("broken pipe"), EOFError(), ValueError("I/O on closed file")])
def test_a_connection_that_has_ended_is_lost_whichever_way_it_is_told(error: Exception) -> None:
    frames = Frames(Ended(error), Ended(error))
    why = str(error) or "EOFError"
    with pytest.raises(Lost, match=why):
        frames.tell({"do": "sticks"})
    with pytest.raises(Lost, match=why):
        frames.hear()


def test_the_end_of_what_is_heard_is_a_lost_connection_too() -> None:
    with pytest.raises(Lost, match="it ended"):
        Frames(io.BytesIO(b"\x01"), io.BytesIO()).hear()
