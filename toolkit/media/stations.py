"""Where a stick can be plugged in: this machine, another one, or, in a rehearsal, a folder with its image."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from toolkit.disks.ejecting import Ejected
from toolkit.disks.plugged import Stick, of_image, with_file_system
from toolkit.disks.refusal import Failed, Refused
from toolkit.disks.volumes import Volume, lent
from toolkit.media.carrier import READING, Carrier, told
from toolkit.media.choice import fitting
from toolkit.media.eject import eject
from toolkit.media.local import described, held
from toolkit.media.remote import RemoteVolume, Talk
from toolkit.media.ssh import agent_at
from toolkit.media.sticks import sticks
from toolkit.model.carry import FolderStation, LocalStation, SshStation
from toolkit.model.carry import Station as Settings
from toolkit.model.errors import InputError, UnknownStateError

ONE_LOOK = (None,)


@dataclass(frozen=True)
class Plugged:
    """A stick that is there: what is known of it, how it is opened, and how it is let go."""

    stick: Stick
    carrier: Carrier
    eject: Callable[[], Ejected]


class Station(Protocol):
    """One place where sticks are plugged in."""

    def holding(
        self, choice: str, *, writing: bool, looks: Iterable[None] = ONE_LOOK
    ) -> AbstractContextManager[Plugged | None]:
        """The chosen stick for as long as it is held; None when it is there at none of `looks`. Raises ReboxError.

        It is looked for once per item; whoever gives several waits between them.
        """
        ...


def station(settings: Settings, path: Callable[[str], Path]) -> Station:
    """The station that an inventory names; `path` finds its files."""
    match settings:
        case LocalStation():
            return Here()
        case SshStation():
            console = None if settings.console_file is None else path(settings.console_file)
            return There(settings, path(settings.key_file), console)
        case FolderStation():
            return Folder(path(settings.folder))


@dataclass(frozen=True)
class Here:
    """The machine that rebox runs on."""

    def holding(
        self, choice: str, *, writing: bool, looks: Iterable[None] = ONE_LOOK
    ) -> AbstractContextManager[Plugged | None]:
        """As the protocol says."""
        return _held_here(sticks, choice, looks, writing=writing)


@dataclass(frozen=True)
class Folder:
    """A folder in which an image file stands for a stick; its serial number is the file's name without `.img`."""

    folder: Path

    def holding(
        self, choice: str, *, writing: bool, looks: Iterable[None] = ONE_LOOK
    ) -> AbstractContextManager[Plugged | None]:
        """As the protocol says."""
        return _held_here(self._images, choice, looks, writing=writing)

    def _images(self) -> Iterator[Stick]:
        if not self.folder.is_dir():
            raise InputError("there is no such folder", where=str(self.folder), next_move="Correct [carry].")
        found = (_image(path) for path in sorted(self.folder.glob("*.img")))
        return (stick for stick in found if stick is not None)


def _image(path: Path) -> Stick | None:
    with told(str(path), READING):
        try:
            return with_file_system(replace(of_image(path), serial=path.stem))
        except (Refused, Failed):
            if path.exists():
                raise
            return None  # just then it went to the other folder


@contextmanager
def _held_here(
    there: Callable[[], Iterable[Stick]], choice: str, looks: Iterable[None], *, writing: bool
) -> Iterator[Plugged | None]:
    stick = next((stick for _ in looks if (stick := the_one(there(), choice))), None)
    if stick is None:
        yield None
        return
    with held(stick, writing=writing) as carrier:
        yield Plugged(stick, carrier, partial(eject, stick))


@dataclass(frozen=True)
class There:
    """Another machine, by SSH."""

    settings: SshStation
    key_file: Path
    console: Path | None

    @contextmanager
    def holding(self, choice: str, *, writing: bool, looks: Iterable[None] = ONE_LOOK) -> Iterator[Plugged | None]:
        """As the protocol says, by one connection as long as that lasts."""
        with ExitStack() as connection:
            found = self._found(choice, looks, connection)
            if found is None:
                yield None
                return
            stick, talk = found
            carrier = _RemoteCarrier(stick, talk, self.settings.address)
            with told(carrier.name, READING):
                if writing and stick.read_only:
                    raise Refused("it is write-protected")
                talk.ask("hold", path=str(stick.path))
            yield Plugged(stick, carrier, carrier.eject)

    def _found(self, choice: str, looks: Iterable[None], connection: ExitStack) -> tuple[Stick, Talk] | None:
        """The stick, and the agent that sees it; raises UnknownStateError when the last look came to nothing."""
        talk: Talk | None = None
        trouble = ""
        for _ in looks:
            try:
                talk = talk or connection.enter_context(agent_at(self.settings, self.key_file, self.console))
                stick = the_one(map(Stick.from_json, talk.ask("sticks")), choice)
            except (Refused, Failed) as error:
                # the machine may have been restarted: the next look connects anew
                connection.close()
                talk, trouble = None, str(error)
                continue
            if stick is not None:
                return stick, talk
        if talk is None:
            raise UnknownStateError(
                "it cannot be told what is plugged in",
                where=self.settings.address,
                why=trouble,
                next_move="Check that the machine is on; then resume.",
            )
        return None


@dataclass(frozen=True)
class _RemoteCarrier:
    stick: Stick
    talk: Talk
    address: str

    @property
    def name(self) -> str:
        return f"{described(self.stick)} at {self.address}"

    @property
    def volume_uuid(self) -> str:
        return self.stick.file_system.uuid if self.stick.file_system else ""

    @property
    def volume_kind(self) -> str:
        return self.stick.file_system.kind if self.stick.file_system else ""

    def eject(self) -> Ejected:
        """Lets it go there; raises RefusedError, MediaError."""
        with told(self.name, READING):
            return Ejected(**self.talk.ask("eject"))

    @contextmanager
    def open(self, *, writing: bool) -> Iterator[Volume]:
        with lent(RemoteVolume(self.talk, writing=writing)) as volume:
            yield volume


def the_one(there: Iterable[Stick], choice: str) -> Stick | None:
    """The stick that `choice` names ("serial=…"); raises UnknownStateError when several are meant."""
    what, _, value = choice.partition("=")
    found = fitting(what, value, there)
    if len(found) > 1:
        raise UnknownStateError(
            "several sticks are meant",
            where=choice,
            why="; ".join(map(described, found)),
            next_move="Pull out the others, or name the stick by its serial number.",
        )
    return found[0] if found else None
