"""What was begun on a machine through its BMC, on the disk before it is begun: whoever comes next puts it back.

One folder per machine, shared by all runs and commands: what a killed run has left on a BMC is known to every next
call, whatever it is. The states, and what the next call does in each:

| phase | what is so | the next call |
|---|---|---|
| (no record) | nothing of ours is on the machine | begins |
| booting | medium and boot order may be changed, the disk half written | puts the BMC back, begins anew |
| written | the installer said done; medium and boot order may be changed | puts the BMC back, goes on |
| put-back | the disk is done, the BMC as it was found | goes on |
"""

import contextlib
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from toolkit.model.errors import StorageError
from toolkit.provision.lock import held
from toolkit.storage.whole_file import write_whole

_RECORD, _LOCK, ISO = "record.json", "lock", "installer.iso"


class Record(BaseModel):
    """`record.json`. `boot_target`, `boot_enabled`: the override as it was found; `said`: the installer's last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Literal["install", "wipe"]
    order_sha256: str
    phase: Literal["booting", "written", "put-back"]
    media_url: str | None = None
    boot_target: str | None = None
    boot_enabled: str | None = None
    said: dict[str, JsonValue] = Field(default_factory=dict)
    fetched_by: tuple[str, ...] = ()
    fetched_bytes: int = 0
    console_offset: int = 0
    announced_tls_sha256: str | None = None


class Notebook:
    """The record of one machine; `folder` is its own."""

    def __init__(self, state_directory: Path, machine_serial: str) -> None:
        self.folder = state_directory / "metal" / urllib.parse.quote(machine_serial, safe="")
        self._machine = machine_serial

    @property
    def iso(self) -> Path:
        """Where the installer for a job lies while it is served."""
        return self.folder / ISO

    def read(self) -> Record | None:
        """What was begun, None: nothing; raises StorageError for a record that cannot be read."""
        path = self.folder / _RECORD
        try:
            return Record.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise StorageError(
                "it cannot be told what was begun on this machine",
                where=str(path),
                why=(error.strerror or "") if isinstance(error, OSError) else "the record is damaged",
                next_move="See in the BMC that its drive is empty and the boot order right; then delete that file.",
            ) from None

    def write(self, record: Record) -> None:
        """On the disk before this returns; raises StorageError."""
        write_whole(
            self.folder / _RECORD,
            record.model_dump_json(indent=1).encode(),
            what="what is done on this machine cannot be written down",
            then="try again; nothing further was done on the machine",
        )

    def forget(self) -> None:
        """Nothing of ours is on the machine any more."""
        (self.folder / _RECORD).unlink(missing_ok=True)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else works on this machine meanwhile; raises RefusedError naming the process that does."""
        with held(self.folder / _LOCK, f"machine {self._machine} is being provisioned"):
            yield
