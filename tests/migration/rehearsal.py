"""A lab with a migration to be rehearsed in it, and the hands and eyes of the tests: operator, user, disk reader."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from toolkit.backup import age
from toolkit.emulator.appliance.database import Connection, connect
from toolkit.emulator.appliance.disk import Disk
from toolkit.engine.history import RunHistory, read_history
from toolkit.lab import operator
from toolkit.lab.lab import Lab
from toolkit.lab.topology import Topology
from toolkit.model.inventory import read_inventory

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Answer:
    """What became of an order."""

    status: int
    out: str
    err: str
    answer: dict[str, Any] | None = None
    error: dict[str, str] | None = None
    killed_at: str | None = None
    sent: list[str] = field(default_factory=list)

    @property
    def told(self) -> dict[str, Any]:
        """The answer of an order that must have worked."""
        assert self.answer is not None, self
        return self.answer

    @property
    def words(self) -> str:
        """What a person reads, on one line."""
        return " ".join((self.err + self.out).split())


class Driver:
    """`tests.migration.driver` on one of the lab's machines."""

    def __init__(self, lab: Lab, machine: str, state: Path) -> None:
        self._orders = 0
        self._process = lab.popen(
            machine,
            [sys.executable, "-m", "tests.migration.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
            # one line of a table or a message is one line of output
            env={**os.environ, "REBOX_STATE": str(state), "COLUMNS": "1000", "TERM": "dumb"},
        )

    def __call__(self, do: str, **fields: Any) -> Answer:
        """Gives an order and waits until it is done."""
        assert self._process.stdin
        assert self._process.stdout
        self._orders += 1
        self._process.stdin.write(json.dumps({"number": self._orders, "do": do, **fields}, default=str) + "\n")
        self._process.stdin.flush()
        while True:
            answer = json.loads(self._process.stdout.readline())
            # a test that ran out of time has left its answer behind: it is not the next one's
            if answer.pop("number") == self._orders:
                return Answer(**answer)

    def close(self) -> None:
        """Ends it: it reads no further order."""
        self._process.communicate(timeout=20)


def _toml(value: Any) -> str:
    """A value on one line; tables within it become inline tables."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


@dataclass
class Rehearsal:
    """A lab that is up, an operator and a user in it."""

    lab: Lab
    state: Path
    operator: Driver
    user: Driver
    runs: Path
    _plans: dict[Path, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def up(cls, topology: Topology, folder: Path) -> "Rehearsal":
        """Builds the lab; the operator's identity file is left unlocked, as opening it takes a second each time."""
        state = folder / "state"
        lab = Lab.up(topology, state=state)
        try:
            unlock_identity(lab)
            shutil.copytree(lab.folder.disk("new"), lab.folder.disk("new").with_name("untouched"))
            runs = folder / "runs"
            return cls(lab, state, Driver(lab, "operator", state), Driver(lab, "client1", state), runs)
        except BaseException:
            lab.down()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.operator.close()
        self.user.close()
        self.lab.down()

    # ------------------------------------------------------------------------------------------ what is given

    @property
    def inventory(self) -> Path:
        """The operator's inventory as the lab wrote it."""
        return self.lab.folder.operator / "inventory.toml"

    def variant(self, name: str, changes: Mapping[str, Any]) -> Path:
        """The inventory with other values: `{"table.key": value}`, or `{"table": {...}}` for a whole table."""
        tables = tomllib.loads(self.inventory.read_text(encoding="utf-8"))
        for place, value in changes.items():
            table, _, key = place.partition(".")
            if key:
                tables[table][key] = value
            else:
                tables[table] = value
        text = "\n".join(
            f"[{table}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in entries.items())
            for table, entries in tables.items()
        )
        path = self.lab.folder.operator / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def secret_file(self, name: str, content: str) -> str:
        """A reference to a new secret of the operator's."""
        path = self.lab.folder.operator / name
        operator.write_private(path, content.encode() + b"\n")
        return f"file:{path}"

    # ------------------------------------------------------------------------------------------- what is done

    def plan(self, inventory: Path) -> dict[str, Any]:
        """The plan of an inventory, made once."""
        if inventory not in self._plans:
            self._plans[inventory] = self.operator("plan", inventory=inventory).told["plan"]
        return self._plans[inventory]

    def start(self, inventory: Path) -> str:
        """A new run, not run yet."""
        told = self.operator("start", inventory=inventory, runs=self.runs, plan=self.plan(inventory)).told
        return str(told["run"])

    def carry(self, do: str, run: str, **fields: Any) -> Answer:
        """`run`, `resume` or `back` of a run."""
        return self.operator(do, run=run, runs=self.runs, **fields)

    def rebox(self, *arguments: object, **fields: Any) -> Answer:
        """The command line on the operator's machine."""
        return self.operator("rebox", arguments=[str(argument) for argument in arguments], **fields)

    def make_new_again(self) -> None:
        """The new box is as it came from the factory, and on."""
        self.lab.power_off("new")
        disk = self.lab.folder.disk("new")
        shutil.rmtree(disk)
        shutil.copytree(disk.with_name("untouched"), disk)
        self.switch_on_new()

    def switch_on_new(self) -> None:
        """The new box is on, and answers."""
        self.switch_on("new")

    def switch_on(self, box: str) -> None:
        """A box is on, and answers."""
        self.lab.power_on(box)
        assert self.operator("wait", address=self.lab.description.topology.addresses(box)[0]).told["answers"]

    def ask_old(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A call of the old box's automation API by another program; its answer."""
        return self.ask("old", method, path, body)

    def ask(self, box: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A call of a box's automation API by another program; its answer."""
        secrets = {"old": operator.OLD_API_SECRET, "new": operator.NEW_API_SECRET}
        told = self.operator(
            "ask-box",
            address=self.lab.description.topology.addresses(box)[0],
            client_id=operator.CLIENT_ID,
            secret_file=self.lab.folder.operator / secrets[box],
            method=method,
            path=path,
            body=body,
        ).told
        assert told["status"] < 300, told
        return told["body"]

    @contextmanager
    def serving_another_certificate(self, chain_pem: bytes, key_pem: bytes, sha256: str) -> Iterator[None]:
        """Meanwhile the old box holds that in place of the site's certificate, and serves it everywhere."""
        (kept,) = self.rows("old", "SELECT chain_pem, key_pem, sha256 FROM certificates WHERE NOT factory")
        self._replace_certificate((chain_pem, key_pem, sha256))
        try:
            yield
        finally:
            self._replace_certificate((kept["chain_pem"], kept["key_pem"], kept["sha256"]))

    def _replace_certificate(self, values: Sequence[object]) -> None:
        self.lab.power_off("old")
        self.change("old", "UPDATE certificates SET chain_pem = ?, key_pem = ?, sha256 = ? WHERE NOT factory", values)
        self.switch_on("old")

    def beside(self, *arguments: object) -> "subprocess.Popen[str]":
        """The command line on the operator's machine as a program of its own; it says everything to `stdout`."""
        return self.lab.popen(
            "operator",
            [sys.executable, "-m", "toolkit.cli.main", *(str(argument) for argument in arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=_ROOT,
            env={**os.environ, "REBOX_STATE": str(self.state)},
        )

    # ------------------------------------------------------------------------------------------ what is seen

    def history(self, run: str) -> RunHistory:
        """What a run's journal says."""
        return read_history(self.runs / run)

    def run_folders(self) -> set[str]:
        """The runs there are."""
        return {path.name for path in self.runs.iterdir()} if self.runs.is_dir() else set()

    def site_as_users_see_it(self) -> dict[str, dict[str, Any]]:
        """Owner by ARP and neighbour discovery, certificate by SNI, and health, at each of the site's addresses."""
        site = read_inventory(self.inventory.read_text(encoding="utf-8"), "inventory").site
        fields = {"addresses": site.addresses, "name": site.name, "authorities": self.lab.folder.authorities}
        return self.user("see", **fields).told

    def serving(self, box: str) -> dict[str, dict[str, Any]]:
        """What users see while that box alone serves the site well."""
        assert self.lab.description.site
        good = {
            "macs": [self.lab.description.machines[box].mac],
            "sha256": self.lab.description.site.certificate_sha256,
            "accepted": True,
            "health": "passed",
        }
        return dict.fromkeys(self.lab.description.site.addresses, good)

    def audit(self, box: str) -> list[dict[str, Any]]:
        """Every change a box has noted, read from its disk, on or off; empty before its first power-on."""
        return self.rows(box, "SELECT action, detail, actor FROM audit ORDER BY seq")

    def actions(self, box: str, *names: str) -> list[str]:
        """The actions of the audit, all of them or those named."""
        return [row["action"] for row in self.audit(box) if not names or row["action"] in names]

    def rows(self, box: str, query: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
        """What a box's database holds."""
        with closing(self.database(box)) as database:
            return [dict(row) for row in database.execute(query, values)]

    def change(self, box: str, statement: str, values: Sequence[object] = ()) -> None:
        """Changes a box's database behind its back."""
        with closing(self.database(box)) as database:
            database.execute(statement, values)

    def database(self, box: str) -> Connection:
        """What a box keeps its state in."""
        disk = Disk(self.lab.folder.disk(box))
        return connect(disk.database, disk.keys)

    def holds_site_certificate(self, box: str) -> bool:
        """Whether the site's certificate and key are on a box's disk."""
        assert self.lab.description.site
        query = "SELECT id FROM certificates WHERE sha256 = ?"
        return bool(self.rows(box, query, (self.lab.description.site.certificate_sha256,)))


def unlock_identity(lab: Lab) -> None:
    """Takes the passphrase off the operator's identity; the file stays private."""
    path = lab.folder.operator / operator.BACKUP_IDENTITY
    passphrase = operator.secret(lab.folder.operator, operator.IDENTITY_PASSPHRASE)
    operator.write_private(path, age.decrypt_with_passphrase(path.read_bytes(), passphrase, str(path)))
