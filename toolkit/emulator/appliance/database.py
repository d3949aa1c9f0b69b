"""The box's state in SQLite, encrypted: the schema, and two connections so that readers never wait for a writer.

Every page is encrypted on its way to the disk, in the file and in the log of changes beside it (SQLCipher: AES-256-CBC
with HMAC-SHA512); what does not fit into memory while a query runs stays in memory all the same (`temp_store`). The
index of the log (`-shm`) holds numbers of pages, and nothing of them.
"""

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.emulator.appliance.data_keys import DataKeys
from toolkit.model.errors import InputError

if TYPE_CHECKING:
    # it has the standard library's interface, and no types of its own
    from sqlite3 import Connection, OperationalError, Row
    from sqlite3 import Error as DatabaseError
    from sqlite3 import connect as connect_encrypted
else:
    from sqlcipher3.dbapi2 import Connection, OperationalError, Row
    from sqlcipher3.dbapi2 import Error as DatabaseError
    from sqlcipher3.dbapi2 import connect as connect_encrypted

__all__ = ["Connection", "Database", "DatabaseError", "OperationalError", "Row", "connect"]

_CACHE_KIB = 65536
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE certificates (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, sha256 TEXT NOT NULL UNIQUE, chain_pem BLOB NOT NULL,
    key_pem BLOB NOT NULL, factory INTEGER NOT NULL);
CREATE TABLE addresses (
    id INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT NOT NULL UNIQUE, prefix INTEGER NOT NULL,
    interface TEXT NOT NULL, shared INTEGER NOT NULL, enabled INTEGER NOT NULL,
    certificate_id INTEGER NOT NULL REFERENCES certificates (id));
CREATE TABLE admins (username TEXT PRIMARY KEY, password TEXT NOT NULL, must_change INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE api_accounts (client_id TEXT PRIMARY KEY, secret TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tokens (hash TEXT PRIMARY KEY, client_id TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE web_sessions (
    hash TEXT PRIMARY KEY, interface TEXT NOT NULL, username TEXT NOT NULL, csrf TEXT NOT NULL, used REAL NOT NULL)
    WITHOUT ROWID;
CREATE TABLE users (
    id TEXT PRIMARY KEY, username TEXT NOT NULL UNIQUE, record TEXT NOT NULL, password TEXT NOT NULL,
    must_change INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE records (kind TEXT NOT NULL, id TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE sessions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, lsid TEXT NOT NULL UNIQUE, record TEXT NOT NULL, recording_size INTEGER,
    recording_sha256 TEXT);
CREATE TABLE active_sessions (
    lsid TEXT PRIMARY KEY, start_time TEXT, representative TEXT NOT NULL, customer TEXT NOT NULL, team TEXT NOT NULL,
    address TEXT) WITHOUT ROWID;
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
    detail TEXT NOT NULL);
CREATE TABLE jobs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, phase TEXT NOT NULL, progress REAL NOT NULL,
    bytes_done INTEGER NOT NULL, bytes_total INTEGER NOT NULL, error TEXT) WITHOUT ROWID;
"""


class Database:
    """One file. A change that has been committed survives a kill at any moment; one that has not never happened.

    What is deleted is overwritten in the file; `forget` does the same for the log of changes beside it. Both are
    encrypted with the data key in use when it is opened.
    """

    def __init__(self, path: Path, keys: DataKeys, *, power_may_fail: bool = False) -> None:
        """With `power_may_fail` a committed change is on the disk, and survives a power cut as well."""
        self._path = path
        self._keys = keys
        self._synchronous = "FULL" if power_may_fail else "NORMAL"
        self._write_lock = threading.RLock()
        self._read_lock = threading.Lock()
        self._open: tuple[Connection, ...] = ()

    def open(self) -> None:
        """Opens it; again after `close`, at the same path. What a kill kept from being forgotten is so now.

        Raises InputError when the data key does not open it.
        """
        self._writer, self._reader = self._open = (self._connect(), self._connect())
        self.forget()

    def lay(self) -> None:
        """Lays the schema into the empty file just opened."""
        self._writer.executescript(_SCHEMA)

    def close(self) -> None:
        """Waits for the change under way, then lets go of the file; one that is not open is no error."""
        with self._write_lock, self._read_lock:
            for connection in self._open:
                connection.close()

    def forget(self) -> None:
        """Empties the log, which holds the changes of a while as they were made: for whoever has deleted a secret.

        Not within a change. What a full disk keeps from being done is done at the next power-on.
        """
        with self._write_lock, self._read_lock, contextlib.suppress(OperationalError):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """What the last commit left; never half a change."""
        with self._read_lock:
            return self._reader.execute(query, values).fetchall()

    def row(self, query: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row, or None."""
        rows = self.rows(query, values)
        return rows[0] if rows else None

    def fact(self, name: str, default: Any = None) -> Any:
        """A single value by name."""
        row = self.row("SELECT value FROM facts WHERE name = ?", (name,))
        return default if row is None else json.loads(row["value"])

    def put_facts(self, **facts: Any) -> None:
        """Writes single values, all or none."""
        with self.change() as connection:
            connection.executemany(
                "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [(name, json.dumps(value)) for name, value in facts.items()],
            )

    @contextlib.contextmanager
    def change(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, or rolled back whole. Changes wait for each other.

        Blocks of the same thread nest; the outermost commits.
        """
        with self._write_lock:
            if self._writer.in_transaction:
                yield self._writer
                return
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def _connect(self) -> Connection:
        # each connection is guarded by a lock of its own, so that any thread may use it
        connection = connect(self._path, self._keys)
        # a kill loses nothing at NORMAL; only a power cut could, and that of its host is no matter of a process's
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        return connection


def connect(path: Path, keys: DataKeys) -> Connection:
    """A connection to a box's database, usable from any thread; raises InputError when the key does not open it."""
    connection = connect_encrypted(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.row_factory = Row
    try:
        # a key as it is, no passphrase: nothing has to be derived slowly
        connection.execute(f"PRAGMA key = \"x'{keys.current.derived('database').hex()}'\"")
        # what was decrypted once is not decrypted again
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA journal_mode = WAL")
    except OperationalError:
        connection.close()
        raise
    except DatabaseError as error:
        connection.close()
        raise InputError(
            "the box's database cannot be opened",
            where=str(path),
            why=f"its data key does not fit, or it is damaged: {error}",
            next_move="Make the box anew; in a lab: take it down and bring it up again.",
        ) from None
    return connection
