"""A stick on this machine, held from its choice to the end, so that no other takes its place unnoticed."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from toolkit.disks.liveness import LiveDevice
from toolkit.disks.opening import open_volume
from toolkit.disks.plugged import Stick, check_same
from toolkit.disks.refusal import Refused
from toolkit.disks.volumes import FileSystem, Gone, Volume, find
from toolkit.media.carrier import READING, told
from toolkit.media.permitted import check_permitted


@dataclass(frozen=True)
class LocalCarrier:
    """A stick that is plugged in here, or an image file."""

    stick: Stick
    file_system: FileSystem
    _device: LiveDevice
    _allowed: Collection[str]

    @property
    def name(self) -> str:
        """What people know it by."""
        return described(self.stick)

    @property
    def volume_uuid(self) -> str:
        """Of its file system."""
        return self.file_system.uuid

    @property
    def volume_kind(self) -> str:
        """Of its file system."""
        return self.file_system.kind

    @contextmanager
    def open(self, *, writing: bool) -> Iterator[Volume]:
        """Looks again before anything else: which device, which file system, and whether it may be used."""
        self._device.check()
        check_permitted(self.stick, self._allowed)
        now = find(self.stick.path)
        if now != self.file_system:
            raise Gone(f"{self.stick.path} has another file system than the one that was chosen")
        with open_volume(self.file_system, writing=writing) as volume:
            self._device.check()
            yield volume


@contextmanager
def held(stick: Stick, allowed: Collection[str] = (), *, writing: bool = False) -> Iterator[LocalCarrier]:
    """The stick as something to be opened; raises RefusedError, MediaError."""
    check_permitted(stick, allowed)
    with told(described(stick), READING):
        if writing and stick.read_only:
            raise Refused("it is write-protected")
        device = LiveDevice(stick.path, writing=False)
        try:
            # it may have been chosen by a person a minute ago
            check_same(stick)
            file_system = find(stick.path)
            if file_system is None:
                raise Refused("no file system is on it: format it")
            yield LocalCarrier(stick, file_system, device, allowed)
        finally:
            device.close()


def described(stick: Stick) -> str:
    """In a few words: maker, model, serial number, device."""
    words = " ".join(word for word in (stick.vendor, stick.model) if word)
    serial = f", serial number {stick.serial}" if stick.serial else ""
    return f"{stick.path} ({words or 'a drive'}{serial})"
