"""`rebox reset settings` on a real box: nothing without the serial number, and the box is a factory box afterwards."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.appliance.box_process import CLIENT_ID, CLIENT_SECRET, SHARED, BoxProcess, in_use_order
from toolkit.cli.reset_settings import reset_settings
from toolkit.engine.history import read_history
from toolkit.model.errors import InputError

SITE = Path("fixtures/inventories/shared-ip.toml")


@pytest.fixture
def box(tmp_path: Path) -> Any:
    folder = tmp_path / "box"
    folder.mkdir()
    order = in_use_order(serial_number="RB-OLD-0001", shared_addresses=[{"address": f"{SHARED}/24", "enabled": False}])
    box = BoxProcess(folder, order)
    try:
        yield box.power_on()
    finally:
        box.remove()


@pytest.fixture
def inventory(tmp_path: Path, box: BoxProcess, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The fixtures' inventory with this box as its old one; of its secrets only that box's can be had."""
    monkeypatch.setenv("REBOX_STATE", str(tmp_path / "state"))
    host, port = box.place()
    text = SITE.read_text(encoding="utf-8")
    before, _, rest = text.partition("[old]")
    old, _, after = rest.partition("\n[")
    old = re.sub(r'address = "[^"]+"', f'address = "{host}"\nport = {port}', old)
    old = re.sub(r'tls_sha256 = "[^"]+"', f'tls_sha256 = "{box.console_fingerprint()}"', old)
    old = re.sub(r'client_id = "[^"]+"\n', "", old) + f'\nclient_id = "{CLIENT_ID}"'
    text = f"{before}[old]{old}\n[{after}"
    (tmp_path / "old-api.secret").write_text(CLIENT_SECRET)
    (tmp_path / "old-api.secret").chmod(0o600)
    file = tmp_path / "site.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_without_the_serial_number_nothing_is_done(tmp_path: Path, inventory: Path, box: BoxProcess) -> None:
    for yes, as_json in ((True, False), (False, True)):
        with pytest.raises(InputError, match="--confirm-serial"):
            reset_settings(inventory, yes=yes, as_json=as_json, runs=tmp_path / "runs")
    assert box.api().get("/api/v1/status").json()["state"] == "running"
    assert not (tmp_path / "runs").exists()


def test_it_resets_and_proves_in_a_run_of_its_own(tmp_path: Path, inventory: Path, box: BoxProcess) -> None:
    mounted = "import typer; from toolkit.cli.reset_settings import reset_settings; typer.run(reset_settings)"
    options = ["--confirm-serial", "RB-OLD-0001", "--json", "--runs", str(tmp_path / "runs")]
    words = [sys.executable, "-c", mounted, str(inventory), *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["state"], told["verdict"]) == ("passed", "passed")
    assert read_history(Path(told["run_directory"])).plan.procedure == "settings-reset"
    assert Path(told["report"]).is_file()
    assert box.anonymous().get("/api/v1/reset").json()["state"] == "complete"
