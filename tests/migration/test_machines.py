"""Whole migrations between machines of their own: metal behind a BMC and virtual machines, cut off in many ways."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.migration.rehearsal import unlock_identity
from toolkit.lab.lab import Lab
from toolkit.lab.sticks import SERIAL
from toolkit.lab.topology import load_topology
from toolkit.lab.virtual_world import disk_files

pytestmark = [pytest.mark.vm, pytest.mark.endurance, pytest.mark.timeout(1500)]

MB = 1 << 20
LABS = Path(__file__).parents[2] / "fixtures" / "labs"
CUT = {
    "inspect-old": "old", "provision-new": "new", "take-into-use": "new", "back-up-settings": "old",
    "extract-records": "old", "export-certificate": "old", "carry-box-settings": "new", "install-site-package": "new",
    "import-certificate": "new", "restore-settings": "new", "put-back-records": "new", "prove-new": "new",
    "swing-traffic": "new", "prove-site": "new", "soak": "new", "collect-late-records": "new", "reset-old": "old",
    "wipe-old": "old",
}  # fmt: skip
"""Which machine's power fails in which step: the one that the step is about."""


@dataclass
class Story:
    """One lab, one run, and what is done to them."""

    lab: Lab
    runs: Path
    begun: "list[subprocess.Popen[str]]" = field(default_factory=list)
    known: int = 0
    """How many events there were when the last command began."""

    @property
    def inventory(self) -> Path:
        return self.lab.folder.operator / "inventory.toml"

    @property
    def folder(self) -> Path:
        """The run's."""
        return (self.runs / "latest").resolve()

    def rebox(self, *words: object) -> "subprocess.Popen[str]":
        """A command at the operator's, as people type it."""
        self.known = len(self.events())
        command = [sys.executable, "-m", "toolkit.cli.main", *map(str, words), "--runs", str(self.runs)]
        environment = {**os.environ, "REBOX_STATE": str(self.runs.parent / "state"), "COLUMNS": "1000"}
        self.begun.append(
            self.lab.popen(
                "operator", command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
            )
        )
        return self.begun[-1]

    def events(self) -> list[dict[str, Any]]:
        """The run's journal so far."""
        journal = self.folder / "journal.jsonl"
        lines = journal.read_text(encoding="utf-8").splitlines(keepends=True) if journal.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def report(self) -> dict[str, Any]:
        """The report of the run."""
        read: dict[str, Any] = json.loads((self.folder / "report.json").read_text(encoding="utf-8"))
        return read

    def kill(self, process: "subprocess.Popen[str]") -> None:
        """With -9: it has no time to say or do anything."""
        process.kill()
        process.communicate(timeout=60)

    def ends(self, process: "subprocess.Popen[str]") -> tuple[int, str]:
        """Status and words of a command that is waited for."""
        _, words = process.communicate(timeout=900)
        return process.returncode, " ".join(words.split())

    def until(self, process: "subprocess.Popen[str]", *steps: str) -> str | None:
        """Returns once one of the steps acts in this command: which; None when the command has ended before."""
        while True:
            ended = process.poll() is not None
            for event in self.events()[self.known :]:
                if event["event"] == "acting" and event["step"] in steps:
                    return str(event["step"])
            if ended:
                return None
            time.sleep(0.05)


@contextmanager
def story(topology: str, folder: Path, *, carry: Literal["network", "media"] = "network") -> Iterator[Story]:
    described = load_topology(LABS / topology).model_copy(update={"carry": carry})
    with Lab.up(described, state=folder / "labs") as lab:
        unlock_identity(lab)
        told = Story(lab, folder / "runs")
        try:
            yield told
        finally:
            for process in told.begun:
                told.kill(process)


def test_from_metal_to_a_virtual_machine_with_power_failures_on_the_way(tmp_path: Path) -> None:
    with story("migration-vm.toml", tmp_path) as told:
        lab, new = told.lab, told.lab.machine("new")
        # the virtual machine fails while it gets the site's settings
        run = told.rebox("run", told.inventory, "--yes")
        assert told.until(run, "restore-settings")
        new.crash()
        status, words = told.ends(run)
        assert status in {1, 4}, words
        assert new.power == "off"
        switch_on(lab, "new")

        # the host of all virtual machines fails while the records are put back
        resumed = told.rebox("resume", "latest")
        assert told.until(resumed, "put-back-records")
        lab.crash_hypervisor(host=True)
        status, words = told.ends(resumed)
        assert status in {1, 4}, words
        for box in ("old", "new"):
            switch_on(lab, box)

        status, words = told.ends(told.rebox("resume", "latest"))
        assert status == 0, words
        report = told.report()
        assert report["verdict"] == "passed"
        assert report["certificate"]["served_after_sha256"] == report["certificate"]["served_before_sha256"]
        assert lab.machine("old").power == "off"
        assert answers(lab, "new")
        for disk in ("system.qcow2", "data.raw"):
            assert holds_nothing(lab.folder.host("old") / disk), disk


def switch_on(lab: Lab, box: str) -> None:
    """A box has power again; returns once it answers."""
    lab.power_on(box)
    lab.machine(box).wait_for(lambda: answers(lab, box), seconds=200)


def answers(lab: Lab, box: str) -> bool:
    url = f"https://{lab.machine(box).address}/api/v1/reset"
    return lab.run("client1", ["curl", "-sk", "--max-time", "3", url]).stdout.startswith("{")


def holds_nothing(disk: Path) -> bool:
    """Whether a disk reads as zeros from its first byte to its last."""
    raw = disk.with_suffix(".read")
    subprocess.run(["qemu-img", "convert", "-O", "raw", disk, raw], check=True)
    with raw.open("rb") as file:
        return all(not piece.strip(b"\0") for piece in iter(lambda: file.read(1 << 20), b""))


def test_on_a_stick_killed_while_it_is_written_and_while_it_is_in_neither_machine(tmp_path: Path) -> None:
    with story("migration-vm.toml", tmp_path, carry="media") as told:
        stick = told.lab.folder.sticks() / f"{SERIAL}.img"
        empty = stick.stat().st_blocks

        # killed while the stick is written: some of the data has come to it, and nothing says that it is complete
        run = told.rebox("run", told.inventory, "--yes")
        assert told.until(run, "write-stick")
        while stick.stat().st_blocks < empty + MB // 512 and run.poll() is None:
            time.sleep(0.01)
        told.kill(run)
        assert run.returncode == -9
        assert told.events()[-1]["event"] == "acting"
        assert "rebox.txt" not in names_on(stick)

        # killed on the way: it is out of the one machine and not in the other
        resumed = told.rebox("resume", "latest")
        assert told.until(resumed, "move-stick")
        told.kill(resumed)
        told.lab.pull_stick()
        assert told.events()[-1]["step"] == "move-stick"
        assert "rebox.txt" in names_on(stick)

        status, words = told.ends(told.rebox("resume", "latest"))
        assert status == 0, words
        report = told.report()
        assert report["verdict"] == "passed"
        assert report["certificate"]["served_after_sha256"] == report["certificate"]["served_before_sha256"]
        resumes = {step["name"]: step["resumed"] for step in report["steps"]}
        assert (resumes["write-stick"], resumes["move-stick"]) == (1, 1)
        for place in ("certificate.pem", "backup/settings/manifest.json"):
            assert (told.folder / "carried" / place).read_bytes() == (told.folder / place).read_bytes()
        assert answers(told.lab, "new")
        assert told.lab.machine("old").power == "off"


def names_on(stick: Path) -> list[str]:
    """What a stick's folder of ours holds, by another hand than rebox's."""
    listed = subprocess.run(["mdir", "-b", "-i", stick, "::/REBOX"], capture_output=True, text=True, check=True)
    return [line.rpartition("/")[2] for line in listed.stdout.splitlines()]


def test_from_a_virtual_machine_to_metal(tmp_path: Path) -> None:
    with story("migration-vm-to-metal.toml", tmp_path) as told:
        status, words = told.ends(told.rebox("run", told.inventory, "--yes"))
        assert status == 0, words
        report = told.report()
        assert report["verdict"] == "passed"
        assert report["old_appliance"]["state"] == "wiped-and-off"
        assert answers(told.lab, "new")
        assert told.lab.machine("old").power == "off"
        for volume in disk_files(told.lab.folder, "old", told.lab.description.topology.boxes["old"]):
            with volume.open("rb") as file:  # the container itself, whatever it was
                assert not any(piece.strip(b"\0") for piece in iter(lambda: file.read(1 << 20), b"")), volume


@pytest.mark.timeout(3000)
def test_whichever_machine_fails_in_whatever_step_the_run_is_resumed_to_its_end(tmp_path: Path) -> None:
    with story("migration-vm.toml", tmp_path) as told:
        left = dict(CUT)
        run = told.rebox("run", told.inventory, "--yes")
        while step := told.until(run, *left):
            box = left.pop(step)
            machine = told.lab.machine(box)
            if step == "provision-new":
                machine.wait_for(lambda: told.lab.machine("new").power == "on", seconds=60)
            if step == "wipe-old":
                machine.wait_for(lambda: '"begin", "action": "wipe"' in told.lab.machine("old").console, seconds=120)
            machine.crash()
            status, words = told.ends(run)
            assert status in {1, 4}, (step, words)
            if step not in {"provision-new", "wipe-old"}:  # these two start their machine themselves
                switch_on(told.lab, box)
            run = told.rebox("resume", "latest")
        status, words = told.ends(run)
        assert status == 0, (left, words)
        report = told.report()
        assert report["verdict"] == "passed"
        assert report["old_appliance"]["state"] == "wiped-and-off"
        assert report["certificate"]["served_after_sha256"] == report["certificate"]["served_before_sha256"]
        assert not left, "no power failed in these steps: they were over too soon"
        for disk in ("system.qcow2", "data.raw"):
            assert holds_nothing(told.lab.folder.host("old") / disk), disk
