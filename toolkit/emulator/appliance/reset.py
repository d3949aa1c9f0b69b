"""The factory reset: destroys the data key, survives a kill at any moment, and says when it is complete.

All that the box keeps of its customer is encrypted with one key (`data_keys`). The intent is written to the disk first
(`reset`), with all that is needed to come to the end without the state that is being destroyed: the certificate the box
will show, and the addresses to be found at until it is switched off. It lies under the key that comes next. Then the
key in use is overwritten in its place: from here on nobody reads what was kept, neither in the files nor in what a file
system keeps of them elsewhere. Then the files are removed, first-boot defaults are laid under the next key, and last
the record says complete. A kill anywhere in between starts again at the destruction, which finds less to do: whichever
key opens the record, every older one is to be destroyed.

The certificate is made before anybody asks for a reset, and told: whoever asks and is interrupted before the answer
arrives recognises the box all the same. Its private key lies under the next data key, too.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from toolkit.emulator.appliance.certificate_files import Bundle
from toolkit.emulator.appliance.clock import Clock
from toolkit.emulator.appliance.data_keys import DataKey
from toolkit.emulator.appliance.database import Database, DatabaseError
from toolkit.emulator.appliance.disk import Disk
from toolkit.emulator.appliance.faults import Faults
from toolkit.emulator.appliance.first_boot import lay_addresses, lay_first_boot
from toolkit.emulator.appliance.identity import Identity, PlacedAddress
from toolkit.emulator.appliance.sealed_files import SealedFiles, opened_by
from toolkit.emulator.appliance.storage_errors import told_as_storage_error
from toolkit.emulator.appliance.tls import self_signed
from toolkit.model.errors import ReboxError

_SLOW_SECONDS = 0.05  # for each file removed
_NEVER_SECONDS = 0.05
_AGAIN_SECONDS = 5.0
_RECORD, _CERTIFICATE = "reset", "next-certificate"


class _Made(BaseModel):
    """The file `next-certificate`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate_pem: str
    key_pem: str


class ResetRecord(BaseModel):
    """The file `reset`: there from the moment a reset was asked for until the box is taken into use again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Literal["resetting", "complete"]
    base_version: str
    addresses: tuple[PlacedAddress, ...]
    certificate_pem: str = ""
    key_pem: str = ""
    finished: AwareDatetime | None = None
    switched_off: bool = False

    @property
    def certificate(self) -> Bundle:
        """What the box shows afterwards; forgotten here once it lies in the new state."""
        return Bundle.from_pem(self.certificate_pem.encode(), self.key_pem.encode())


class Reset:
    """Carries a reset out, and remembers how far it is."""

    def __init__(
        self,
        disk: Disk,
        database: Database,
        identity: Identity,
        clock: Clock,
        faults: Faults,
        *,
        say: Callable[[str], None] = lambda line: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._disk = disk
        self._database = database
        self._identity = identity
        self._clock = clock
        self._faults = faults
        self._say = say
        self._sleep = sleep
        self._progress = 0.0
        self._key, self.record = self._read()
        self._prepared = None if self.is_under_way else self._prepare()

    @property
    def is_under_way(self) -> bool:
        """Whether it was asked for and has not come to its end."""
        return self.record is not None and self.record.state == "resetting"

    @property
    def data_key_destroyed(self) -> bool:
        """Whether nobody can read any more what the box kept before the last reset."""
        return self.record is not None and self._disk.keys.all()[0].number >= self._key.number

    @property
    def progress(self) -> float:
        """0 to 1."""
        return 1.0 if self.record is not None and self.record.state == "complete" else self._progress

    @property
    def next_certificate(self) -> Bundle:
        """What the box will show after the reset that is under way, else after the next one."""
        if self._prepared is None:
            if self.record is None:
                raise AssertionError("without a reset under way the next certificate is prepared")
            return self.record.certificate
        return self._prepared

    def intend(self, base_version: str, addresses: tuple[PlacedAddress, ...]) -> None:
        """Writes down that the box is to be reset: from here on it will be, whatever happens."""
        certificate = self.next_certificate
        self._key = self._disk.keys.following
        self._write(
            ResetRecord(
                state="resetting",
                base_version=base_version,
                addresses=addresses,
                certificate_pem=certificate.chain_pem.decode(),
                key_pem=certificate.key_pem.decode(),
            )
        )
        self._prepared = None

    def begin(self, ended: Callable[[], None]) -> None:
        """Carries out what was intended, in a thread; calls `ended` when it is written down as complete."""
        threading.Thread(target=self._carry_out, args=(ended,), name="reset", daemon=True).start()

    def switch_off(self) -> None:
        """After a complete reset: from the next power-on the box is at first boot, at the factory's addresses."""
        if self.record is not None and self.record.state == "complete":
            with self._database.change() as connection:
                lay_addresses(connection, self._identity.first_addresses)
            self._write(self.record.model_copy(update={"switched_off": True}))

    def forget(self) -> None:
        """The box has been taken into use: the reset is history."""
        self._disk.reset.unlink(missing_ok=True)
        self.record = None

    def _carry_out(self, ended: Callable[[], None]) -> None:
        while self._faults.is_set("reset-never-completes"):
            self._sleep(_NEVER_SECONDS)
        while True:
            try:
                self._take_steps()
            except (ReboxError, OSError, DatabaseError) as error:
                self._say(f"factory reset: cannot go on, and tries again: {error}")
                self._sleep(_AGAIN_SECONDS)
            else:
                break
        ended()

    def _take_steps(self) -> None:
        """Every step may be taken again, after a kill or an error."""
        record = self.record
        if record is None:
            raise AssertionError("a reset begins after it was intended")
        self._database.close()
        self._disk.keys.destroy_before(self._key.number)
        self._note(0.0)
        self._disk.next_certificate.unlink(missing_ok=True)
        self._disk.remove_kept(self._note)
        self._disk.lay()
        self._database.open()
        lay_first_boot(self._database, self._identity, record.certificate, record.base_version, record.addresses)
        prepared = self._prepare()
        done = {"state": "complete", "finished": self._clock.now(), "certificate_pem": "", "key_pem": ""}
        self._write(record.model_copy(update=done))
        self._prepared = prepared

    def _prepare(self) -> Bundle:
        """The certificate of the next reset, under the next data key.

        Made by real time: it must hold whatever the box's clock says.
        """
        path, files = self._disk.next_certificate, SealedFiles(self._disk.keys.following)
        if not path.exists():
            certificate, key = self_signed(self._identity.serial_number.lower(), datetime.now(UTC))
            made = _Made(certificate_pem=certificate.decode(), key_pem=key.decode())
            with told_as_storage_error(path):
                files.write(path, _CERTIFICATE, made.model_dump_json().encode())
        made = _Made.model_validate_json(files.read(path, _CERTIFICATE))
        return Bundle.from_pem(made.certificate_pem.encode(), made.key_pem.encode())

    def _note(self, progress: float) -> None:
        self._progress = 0.05 + 0.9 * progress
        if self._faults.is_set("slow-disk"):
            self._sleep(_SLOW_SECONDS)

    def _read(self) -> tuple[DataKey, ResetRecord | None]:
        """The record and the key that opens it; without one, the key in use."""
        keys, path = self._disk.keys.all(), self._disk.reset
        if not path.exists():
            return keys[0], None
        key, content = opened_by(keys, lambda files: files.read(path, _RECORD))
        return key, ResetRecord.model_validate_json(content)

    def _write(self, record: ResetRecord) -> None:
        path = self._disk.reset
        with told_as_storage_error(path):
            SealedFiles(self._key).write(path, _RECORD, record.model_dump_json().encode())
        self.record = record
