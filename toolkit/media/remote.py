"""A volume on another machine, by way of the agent there; the same to whoever uses it as one that is here."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO, Any

from toolkit.disks.frames import Frames, Interrupted, Lost
from toolkit.disks.refusal import Failed, Refused
from toolkit.disks.volumes import Damaged, Full, Gone

_ERRORS: dict[str, type[Exception]] = {kind.__name__: kind for kind in (Refused, Failed, Gone, Full, Damaged)}


class Talk:
    """Questions to the agent and its answers; raises what it raises, and Lost when it is gone."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes]) -> None:
        """Waits for its first word."""
        self.frames = Frames(reader, writer)
        if self.frames.hear().get("ready") != 1:
            raise Failed("the agent on the other machine is of another version")

    def ask(self, do: str, **more: Any) -> Any:
        """What it answers."""
        self.frames.tell({"do": do, **more})
        return self.answer()

    def answer(self) -> Any:
        """Its answer to what it was asked last."""
        words = self.frames.hear()
        if "error" in words:
            raise _ERRORS.get(str(words["error"]), Failed)(str(words.get("why", "")))
        return words.get("done")


class RemoteVolume:
    """The folder REBOX on the stick that the agent holds."""

    def __init__(self, talk: Talk, *, writing: bool) -> None:
        """Has it opened; raises Refused, Failed."""
        self._talk = talk
        talk.ask("open", writing=writing)

    def names(self) -> tuple[str, ...]:
        """As the protocol says."""
        return tuple(map(str, self._talk.ask("names")))

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """As the protocol says: the agent gives its word once the file is on the device."""
        frames = self._talk.frames
        frames.tell({"do": "write", "name": name})
        try:
            frames.give(chunks)
        except Lost:
            raise
        except BaseException:
            # it was told that nothing more comes, and answers to that
            with suppress(Failed, Refused):
                self._talk.answer()
            raise
        self._talk.answer()

    def read(self, name: str) -> Iterator[bytes]:
        """As the protocol says: the agent reads it from the device."""
        frames = self._talk.frames
        pieces = frames.take()
        frames.tell({"do": "read", "name": name})
        try:
            for piece in pieces:  # noqa: UP028  who stops here must not stop them: the rest has to pass by
                yield piece
        except Interrupted:
            pass  # its answer says why
        except GeneratorExit:
            frames.drain(pieces)
            with suppress(Failed, Refused):
                self._talk.answer()
            raise
        self._talk.answer()

    def remove(self, name: str) -> None:
        """As the protocol says."""
        self._talk.ask("remove", name=name)

    def free_bytes(self) -> int:
        """As the protocol says."""
        return int(self._talk.ask("free"))

    def close(self) -> None:
        """As the protocol says."""
        self._talk.ask("close")
