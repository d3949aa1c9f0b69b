"""Runs on a machine of a lab and does what it is told, each order in a process of its own that may be killed.

Orders come as numbered JSON lines on standard input, answers go as JSON lines with the same numbers to standard
output. Every order is done by a fresh fork of this process: it has loaded all modules and nothing else, so that a
kill -9 and a resume cost tenths of a second and not the seconds of starting Python.
"""

import json
import os
import re
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import httpx

from toolkit.cli.main import main
from toolkit.engine import Engine, RunOutcome
from toolkit.model.errors import ReboxError
from toolkit.model.plan import Plan
from toolkit.probes import frames
from toolkit.probes.https import get_health
from toolkit.probes.owner import find_owners
from toolkit.probes.tls import observe
from toolkit.traffic.dns import look_up
from toolkit.wiring import Origin, build_engine, make_plan, write_run_report

Order = dict[str, Any]
_LOADED = (frames,)
"""Used later, by others; each child would spend a second on loading it."""


@dataclass
class Child:
    """The process that does one order: where it answers, and where it is to be killed."""

    answers: int
    kill_at: str | None = None
    seen: frozenset[str] = frozenset()
    where: str = "start"
    sent: list[str] = field(default_factory=list)
    has_key: bool = True

    @classmethod
    def of(cls, order: Order, answers: int) -> "Child":
        """What an order says about it."""
        return cls(answers, order.get("kill_at"), frozenset(order.get("seen", ())), has_key=not order.get("keyless"))

    def answer(self, **content: Any) -> None:
        """Tells the parent; more is never said."""
        os.write(self.answers, json.dumps(content, default=str).encode())
        os.close(self.answers)

    def point(self, name: str) -> None:
        """A moment at which it may be killed: when the order says so, and never twice at the same."""
        if self.kill_at is not None and name not in self.seen and re.fullmatch(self.kill_at, name):
            self.answer(killed_at=name, sent=self.sent)
            os.kill(os.getpid(), signal.SIGKILL)

    def checkpoint(self, name: str) -> None:
        """The engine's: `<step>:<moment>`."""
        self.where = name.partition(":")[0]
        self.point(name)

    def wrap(self, transport: httpx.BaseTransport) -> httpx.BaseTransport:
        """The network to one box, listened to."""
        return _Wire(transport, self)

    def kill_when_there(self, path: Path, name: str) -> None:
        """Kills the process as soon as a file is there."""

        def wait() -> None:
            while not path.exists():
                time.sleep(0.005)
            self.point(name)

        threading.Thread(target=wait, daemon=True).start()


@dataclass
class _Wire(httpx.BaseTransport):
    """Notes every request; may end the process when the box has done what was asked and nobody has heard of it."""

    inner: httpx.BaseTransport
    child: Child

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        name = f"{request.method} {request.url.host}{_plain(request.url.path)}"
        self.child.sent.append(name)
        response = self.inner.handle_request(request)
        if request.method not in ("GET", "HEAD") and request.url.path != "/oauth2/token":
            self.child.point(f"{self.child.where}>{name}")
        if not self.child.has_key and request.url.path == "/api/v1/certificates":
            return _without_keys(response)
        return response

    def close(self) -> None:
        self.inner.close()


def _plain(path: str) -> str:
    """A path without what differs from lab to lab, or from attempt to attempt."""
    return re.sub(r"[0-9a-f]{32}", "LSID", re.sub(r"(/changes/)[0-9a-f]{16}", r"\1NUMBER", path))


def _without_keys(response: httpx.Response) -> httpx.Response:
    """What a box answers that holds certificates without their keys; the emulated one cannot."""
    response.read()
    rows = [{**row, "has_key": False} for row in response.json()]
    return httpx.Response(200, json=rows)


def do(child: Child, order: Order) -> dict[str, Any]:
    """One order, in the child."""
    orders: dict[str, Callable[[Child, Order], dict[str, Any]]] = {
        "plan": _plan,
        "dry-run": _dry_run,
        "start": _start,
        "run": _carry,
        "resume": _carry,
        "back": _carry,
        "rebox": _rebox,
        "see": _see,
        "names": _names,
        "wait": _wait,
        "ask-box": _ask_box,
    }
    return orders[order["do"]](child, order)


def _plan(child: Child, order: Order) -> dict[str, Any]:
    plan = make_plan(Path(order["inventory"]), wrap_transport=child.wrap)
    return {"plan": plan.model_dump(mode="json"), "sent": child.sent}


def _dry_run(child: Child, order: Order) -> dict[str, Any]:
    origin = Origin.of_file(Path(order["inventory"]))
    engine = build_engine(origin, Path(order["runs"]), read_only=True, wrap_transport=child.wrap)
    steps = engine.dry_run(Plan.model_validate(order["plan"]))
    seen = {step.step.name: step.seen.summary for step in steps}
    gates = {gate.code: asdict(outcome) for step in steps for gate, outcome in step.gates}
    return {"sent": child.sent, "seen": seen, "gates": gates}


def _start(child: Child, order: Order) -> dict[str, Any]:
    origin = Origin.of_file(Path(order["inventory"]))
    engine = build_engine(origin, Path(order["runs"]), wrap_transport=child.wrap)
    return {"run": engine.start(Plan.model_validate(order["plan"]), (), origin.attachments())}


def _carry(child: Child, order: Order) -> dict[str, Any]:
    runs, run = Path(order["runs"]), order["run"]
    for name, file in order.get("when_there", {}).items():
        child.kill_when_there(Path(file), name)
    engine = build_engine(
        Origin.of_run(runs / run),
        runs,
        checkpoint=child.checkpoint,
        confirmed_serial_number=order.get("serial_number"),
        new_is_off=order.get("new_is_off"),
        wrap_transport=child.wrap,
    )
    ways: dict[str, Callable[[], RunOutcome]] = {
        "run": lambda: engine.run(run),
        "resume": lambda: engine.resume(run, changes_meant=order.get("changes_meant", False)),
        "back": lambda: _back(child, engine, run),
    }
    outcome = ways[order["do"]]()
    write_run_report(outcome.run_directory)
    return {**asdict(outcome), "sent": child.sent}


def _back(child: Child, engine: Engine, run: str) -> RunOutcome:
    child.where = "back"
    return engine.back(run)


def _rebox(_: Child, order: Order) -> dict[str, Any]:
    """The command line itself; it ends the process with its own status."""
    if "file_size_max" in order:
        # a write beyond it fails like one on a full disk does, once the signal that goes before it is ignored
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_size_max"], order["file_size_max"]))
    os.environ.update(order.get("environment", {}))
    main(list(order["arguments"]))
    return {}


def _see(_: Child, order: Order) -> dict[str, Any]:
    """What a user's machine sees at the site's addresses."""
    anchors = [Path(order["authorities"]).read_bytes()]
    seen = {}
    for address in order["addresses"]:
        tls = observe(address, server_name=order["name"], anchors=anchors)
        health = get_health(address, 443, server_name=order["name"])
        owners = find_owners(address, wait_s=0.2).owners
        seen[address] = {
            "macs": [owner.mac for owner in owners],
            "sha256": tls.sha256,
            "accepted": tls.verified,
            "health": health.verdict.value,
        }
    return seen


def _names(_: Child, order: Order) -> dict[str, Any]:
    """What name servers say."""
    answers = {server: look_up(server, order["name"]) for server in order["servers"]}
    return {s: {"addresses": sorted(a.addresses), "ttl_seconds": a.ttl_seconds} for s, a in answers.items()}


def _wait(_: Child, order: Order) -> dict[str, Any]:
    """Whether a box that was just switched on comes to answer."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection((order["address"], 443), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return {"answers": True}
    return {"answers": False}


def _ask_box(_: Child, order: Order) -> dict[str, Any]:
    """One call of a box's automation API that is none of the toolkit's."""
    secret = Path(order["secret_file"]).read_text(encoding="ascii").strip()
    # this is no test of TLS: that the box is the right one, the toolkit sees to itself
    with httpx.Client(base_url=f"https://{order['address']}", verify=False, timeout=30) as box:  # noqa: S501
        token = box.post("/oauth2/token", data={"grant_type": "client_credentials"}, auth=(order["client_id"], secret))
        headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
        answer = box.request(order["method"], order["path"], json=order.get("body"), headers=headers)
    return {"status": answer.status_code, "body": answer.json() if answer.content else None}


def in_child(order: Order) -> dict[str, Any]:
    """Does the order in a fork; what it answered, what it said, and how it ended (minus the signal that ended it)."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = os.fork()
        if process == 0:
            os.close(reading)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            _live(Child.of(order, writing), order)
        os.close(writing)
        told = b"".join(_pieces(reading))
        _, status = os.waitpid(process, 0)
        said = {name: _read(file) for name, file in (("out", out), ("err", err))}
    return {**(json.loads(told) if told else {}), **said, "status": os.waitstatus_to_exitcode(status)}


def _live(child: Child, order: Order) -> NoReturn:
    status = 0
    try:
        child.answer(answer=do(child, order))
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    except ReboxError as error:
        child.answer(error=error.as_json())
        status = error.exit_status
    except BaseException:
        traceback.print_exc()
        status = 99
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _pieces(descriptor: int) -> Iterable[bytes]:
    with os.fdopen(descriptor, "rb") as stream:
        while piece := stream.read(65536):
            yield piece


def _read(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode(errors="replace"))


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for line in sys.stdin:
        order = json.loads(line)
        answers.write(json.dumps({"number": order["number"], **in_child(order)}) + "\n")
        answers.flush()
