"""A box in memory for tests: the capabilities backups need, under the same rules as a real one; it refuses all else."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from pydantic import JsonValue

from toolkit.appliances.protocol import Progress
from toolkit.model.box import BoxStatus, ImportResult, RecordCounts, SessionPage
from toolkit.model.errors import ApplianceError, UnreachableError

Record = dict[str, JsonValue]


class PowerCutError(BaseException):
    """The process ends here; not an Exception, so that nobody may tidy up after it by mistake."""


@dataclass
class SmallBox:
    """`fetched` lists every byte range asked for, `changes` everything that was changed."""

    name: str = "old"
    address: str = "192.0.2.1"
    serial_number: str = "BX-0001"
    capabilities: frozenset[str] = frozenset({"import-sessions", "import-recordings"})
    settings_records: dict[str, tuple[Record, ...]] = field(default_factory=dict)
    listed: list[Record] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    announced: dict[str, tuple[int, str]] = field(default_factory=dict)
    backup: bytes = b"BXBK" + bytes(range(256)) * 40
    passphrase: str = "of the box"
    fetched: list[tuple[str, int]] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    before_chunk: Callable[[str, int], None] = lambda lsid, offset: None
    while_downloading: Callable[[], None] = lambda: None

    def status(self) -> BoxStatus:
        return BoxStatus(
            model="B200",
            hostname="box.example.net",
            serial_number=self.serial_number,
            guid="5c3f",
            base_version="3.3.2",
            site_version="Bomgar-12.2.0",
            site_hostname="support.example.net",
            time=datetime(2026, 3, 1, tzinfo=UTC),
            boot_id="1",
            uptime_seconds=5.0,
            state="running",
            records=RecordCounts(
                sessions=len(self.listed),
                recordings=len(self.announced),
                recording_bytes=sum(size for size, _ in self.announced.values()),
            ),
            capabilities=self.capabilities,
        )

    def health(self) -> tuple[bool, str]:
        return True, "OK"

    def settings(self, kind: str) -> tuple[Record, ...]:
        return self.settings_records.get(kind, ())

    def download_backup(self, target: Path, passphrase: str, progress: Progress) -> None:
        assert passphrase == self.passphrase
        with target.open("xb") as file:
            file.write(self.backup)
        self.while_downloading()
        progress(1.0, "downloaded")

    def restore_backup(self, source: Path, passphrase: str, progress: Progress) -> RecordCounts:
        if passphrase != self.passphrase:
            raise ApplianceError("the box refuses", where=self.name, why="wrong_passphrase")
        self.changes.append("restore")
        assert source.read_bytes() == self.backup
        return RecordCounts(users=len(self.settings_records.get("users", ())))

    def sessions(self, after: int, limit: int) -> SessionPage:
        following = [record for record in self.listed if int(str(record["seq"])) > after]
        page = [{**record, "recording": self._recording_of(str(record["lsid"]))} for record in following[:limit]]
        more = len(following) > limit
        return SessionPage(sessions=tuple(page), next_after=int(str(page[-1]["seq"])) if more else None)

    def _recording_of(self, lsid: str) -> JsonValue:
        if lsid not in self.announced:
            return None
        size, sha256 = self.announced[lsid]
        return {"size_bytes": size, "sha256": sha256}

    def recording(self, lsid: str, offset: int) -> Iterator[bytes]:
        self.fetched.append((lsid, offset))
        content = self.contents[lsid]
        for start in range(offset, len(content), 4096):
            self.before_chunk(lsid, start)
            yield content[start : start + 4096]

    def import_sessions(self, sessions: Sequence[Record]) -> ImportResult:
        if "import-sessions" not in self.capabilities:
            raise ApplianceError("the box refuses", where=self.name, why="not_supported")
        known = {record["lsid"] for record in self.listed}
        new = [record for record in sessions if record["lsid"] not in known]
        assert not any("seq" in record for record in sessions)
        for record in new:
            self.changes.append(f"session {record['lsid']}")
            mine = {name: value for name, value in record.items() if name != "recording"}
            self.listed.append({**mine, "seq": 1000 + len(self.listed)})
        return ImportResult(imported=len(new), already=len(sessions) - len(new))

    def import_recording(self, lsid: str, chunks: Iterator[bytes], size_bytes: int, sha256: str) -> ImportResult:
        assert any(record["lsid"] == lsid for record in self.listed)
        content = b"".join(chunks)
        assert (len(content), hashlib.sha256(content).hexdigest()) == (size_bytes, sha256)
        if lsid in self.announced:
            return ImportResult(imported=0, already=1)
        self.changes.append(f"recording {lsid}")
        self.contents[lsid], self.announced[lsid] = content, (size_bytes, sha256)
        return ImportResult(imported=1, already=0)

    def add_session(self, seq: int, lsid: str, recording: bytes | None) -> None:
        """One more session that ended on this box."""
        self.listed.append({"seq": seq, "lsid": lsid, "customer": "Ana Lima", "events": [{"type": "Session Start"}]})
        if recording is not None:
            self.contents[lsid] = recording
            self.announced[lsid] = (len(recording), hashlib.sha256(recording).hexdigest())


def box_with_sessions(count: int = 30, seed: int = 1) -> SmallBox:
    """Sessions with gaps in their numbers; two of three are recorded, with 0 to 40,000 bytes."""
    dice = Random(seed)
    box = SmallBox()
    seq = 0
    for number in range(count):
        seq += dice.randrange(1, 4)
        box.add_session(
            seq, f"{dice.getrandbits(64):016x}", dice.randbytes(dice.randrange(40_000)) if number % 3 else None
        )
    return box


def factory_box(*capabilities: str) -> SmallBox:
    """A new box with nothing on it yet."""
    return SmallBox(name="new", serial_number="BX-0002", capabilities=frozenset(capabilities))


class DeadLineError(UnreachableError):
    """A connection that broke."""

    def __init__(self) -> None:
        super().__init__("the connection broke", where="old")


def quiet(fraction: float, phase: str) -> None:
    """Progress that nobody watches."""
    assert 0.0 <= fraction <= 1.0
    assert phase
