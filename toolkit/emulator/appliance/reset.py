"""The factory reset: destroys state, keys and recordings, survives a kill at any moment, and says when it is complete.

The intent is written to the disk first (`reset.json`), with all that is needed to come to the end without the state
that is being destroyed: the certificate the box will show, and the addresses to be found at until it is switched off.
Then everything doomed is overwritten and unlinked, first-boot defaults are laid, and last the record says complete. A
kill anywhere in between starts again at the destruction, which finds less to do.

The certificate is made before anybody asks for a reset, and told: whoever asks and is interrupted before the answer
arrives recognises the box all the same.
"""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from toolkit.emulator.appliance.certificate_files import Bundle
from toolkit.emulator.appliance.clock import Clock
from toolkit.emulator.appliance.database import Database
from toolkit.emulator.appliance.disk import Disk
from toolkit.emulator.appliance.faults import Faults
from toolkit.emulator.appliance.first_boot import lay_addresses, lay_first_boot
from toolkit.emulator.appliance.identity import Identity, PlacedAddress
from toolkit.emulator.appliance.tls import self_signed

_SLOW_SECONDS = 0.02  # for each block overwritten
_NEVER_SECONDS = 0.05


class _Made(BaseModel):
    """`next-certificate.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate_pem: str
    key_pem: str


class ResetRecord(BaseModel):
    """`reset.json`: there from the moment a reset was asked for until the box is taken into use again."""

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
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._disk = disk
        self._database = database
        self._identity = identity
        self._clock = clock
        self._faults = faults
        self._sleep = sleep
        self._progress = 0.0
        self.record = self._read()
        self._prepared = self._prepare()

    @property
    def progress(self) -> float:
        """0 to 1."""
        return 1.0 if self.record is not None and self.record.state == "complete" else self._progress

    @property
    def next_certificate(self) -> Bundle:
        """What the box will show after the reset that is under way, else after the next one."""
        if self.record is not None and self.record.state == "resetting":
            return self.record.certificate
        return self._prepared

    def intend(self, base_version: str, addresses: tuple[PlacedAddress, ...]) -> None:
        """Writes down that the box is to be reset: from here on it will be, whatever happens."""
        certificate = self.next_certificate
        self._write(
            ResetRecord(
                state="resetting",
                base_version=base_version,
                addresses=addresses,
                certificate_pem=certificate.chain_pem.decode(),
                key_pem=certificate.key_pem.decode(),
            )
        )

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
        record = self.record
        if record is None:
            raise AssertionError("a reset begins after it was intended")
        while self._faults.is_set("reset-never-completes"):
            self._sleep(_NEVER_SECONDS)
        self._database.close()
        self._disk.destroy(self._note)
        self._disk.lay()
        self._database.open()
        lay_first_boot(self._database, self._identity, record.certificate, record.base_version, record.addresses)
        self._disk.next_certificate.unlink(missing_ok=True)
        self._prepared = self._prepare()
        done = {"state": "complete", "finished": self._clock.now(), "certificate_pem": "", "key_pem": ""}
        self._write(record.model_copy(update=done))
        ended()

    def _prepare(self) -> Bundle:
        """The certificate of the next reset; made by real time: it must hold whatever the box's clock says."""
        path = self._disk.next_certificate
        if not path.exists():
            certificate, key = self_signed(self._identity.serial_number.lower(), datetime.now(UTC))
            made = _Made(certificate_pem=certificate.decode(), key_pem=key.decode())
            self._disk.write(path, made.model_dump_json(indent=1).encode())
        made = _Made.model_validate_json(path.read_bytes())
        return Bundle.from_pem(made.certificate_pem.encode(), made.key_pem.encode())

    def _note(self, progress: float) -> None:
        self._progress = 0.95 * progress
        if self._faults.is_set("slow-disk"):
            self._sleep(_SLOW_SECONDS)

    def _read(self) -> ResetRecord | None:
        try:
            return ResetRecord.model_validate(json.loads(self._disk.reset.read_bytes()))
        except FileNotFoundError:
            return None

    def _write(self, record: ResetRecord) -> None:
        self._disk.write(self._disk.reset, record.model_dump_json(indent=1).encode())
        self.record = record
