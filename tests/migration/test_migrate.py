"""`rebox migrate`: a whole migration with one command, in a lab of its own; what it leaves, and what it never does."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from toolkit.lab.lab import Lab, take_down
from toolkit.lab.operator import BACKUP_RECIPIENT, STATION_PUBLIC_KEY

_TOPOLOGY = """
[site]
size_mb = 1

[swing]
method = "shared-ip"
soak_seconds = 0.3
"""


@dataclass(frozen=True)
class Migrated:
    """What the command said and left; the lab's secrets by the names of their files."""

    told: dict[str, Any]
    words: str
    latest: Path
    secrets: dict[str, bytes]


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Migrated]:
    folder = tmp_path_factory.mktemp("migrate")
    (folder / "small.toml").write_text(_TOPOLOGY, encoding="utf-8")
    command = [sys.executable, "-m", "toolkit.cli.main", "migrate", "--topology", str(folder / "small.toml")]
    options = ["--runs", str(folder / "runs"), "--json", "--keep"]
    environment = {**os.environ, "REBOX_STATE": str(folder / "state")}
    ended = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)
    (lab_folder,) = (folder / "state" / "labs").iterdir()
    lab = Lab.find(lab_folder.name, state=folder / "state")
    try:
        assert ended.returncode == 0, ended.stderr
        yield Migrated(json.loads(ended.stdout), ended.stderr, folder / "runs" / "latest", _secrets(lab))
    finally:
        take_down(lab.folder)


def _secrets(lab: Lab) -> dict[str, bytes]:
    public = {"ca.pem", "inventory.toml", BACKUP_RECIPIENT, STATION_PUBLIC_KEY}
    files = [path for path in lab.folder.operator.iterdir() if path.is_file() and path.name not in public]
    secret = {path.name: path.read_bytes().strip() for path in files}
    key = b"".join(line for line in lab.folder.site_key.read_bytes().splitlines() if not line.startswith(b"-----"))
    return {**secret, "the site's private key": key}


def test_it_passes_and_says_so_in_one_json_document(migrated: Migrated) -> None:
    assert migrated.told["verdict"] == "passed"
    assert {step["verdict"] for step in migrated.told["steps"]} == {"passed"}
    assert "Traceback" not in migrated.words
    assert migrated.told == json.loads((migrated.latest / "report.json").read_text(encoding="utf-8"))


def test_the_report_has_everything_that_programs_were_promised(migrated: Migrated) -> None:
    report = migrated.told
    promised = {"procedure", "run_id", "verdict", "started", "finished", "steps", "outage", "certificate"}
    assert promised | {"settings", "data", "old_appliance", "way_back"} <= report.keys()
    for step in report["steps"]:
        assert {"name", "mode", "verdict", "seconds", "evidence"} <= step.keys()
        assert step["evidence"], step["name"]
    for method in ("icmp", "tcp", "https"):
        outage = report["outage"][method]
        assert {"gap_ms_max", "lost", "interval_ms", "own_gap_ms_max"} <= outage.keys()
        assert outage["sent"] > 0
    certificate = report["certificate"]
    assert certificate["served_before_sha256"] == certificate["served_after_sha256"]
    assert len(certificate["served_before_sha256"]) == 64
    assert certificate["served_by"] == "new"
    assert {line["kind"] for line in report["settings"]} == {"users", "teams", "jump-clients", "options"}
    assert all(line["before"] == line["after"] > 0 and line["different"] == 0 for line in report["settings"])
    assert {(line["before"], line["after"]) for line in report["data"]} == {(24, 24), (12, 12)}
    assert report["old_appliance"]["state"] == "reset-and-off"
    assert report["way_back"]["available_until"] == "carry-late-changes"
    assert report["way_back"]["available_now"] is False
    assert "seconds_estimated" in report["way_back"]


def test_everything_a_run_leaves_is_there_and_other_programs_read_it(migrated: Migrated) -> None:
    for name in ("report.html", "report.json", "evidence.jsonl", "capture.pcapng", "runbook.md"):
        assert (migrated.latest / name).stat().st_size > 0, name
    evidence = [json.loads(line) for line in (migrated.latest / "evidence.jsonl").read_text("utf-8").splitlines()]
    known = {record["id"] for record in evidence}
    assert {name for step in migrated.told["steps"] for name in step["evidence"]} <= known
    capture = ["tshark", "-r", str(migrated.latest / "capture.pcapng"), "-Y", "arp.opcode", "-T", "fields", "-e"]
    read = subprocess.run([*capture, "arp.src.proto_ipv4"], capture_output=True, text=True, check=True)
    assert "10.77.0.20" in read.stdout.split()


def test_no_secret_stands_anywhere_in_what_it_leaves(migrated: Migrated) -> None:
    files = [path for path in migrated.latest.resolve().rglob("*") if path.is_file()]
    assert migrated.latest.resolve() / "journal.jsonl" in files
    assert len(migrated.secrets) >= 9
    for path in files:
        content = path.read_bytes()
        for name, secret in migrated.secrets.items():
            for form in (secret, base64.b64encode(secret), secret.hex().encode(), secret.hex().upper().encode()):
                assert form.rstrip(b"=") not in content, f"{name} stands in {path.name}"
                assert form.rstrip(b"=") not in migrated.words.encode(), f"{name} was said"
