"""A machine behind a real Redfish service: installed, put back as it was, whatever happens on the way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.provision.metal.conftest import MAC, SERIAL, UUID, Metal
from tests.provision.metal.tiny_iso import DONE, write_tiny_iso
from toolkit.model.provision import Bmc as Settings
from toolkit.provision.metal.identity import MachineIdentity
from toolkit.provision.metal.installer_boot import InstallerBoot, Limits
from toolkit.provision.metal.machine import RedfishMachine
from toolkit.provision.metal.media_server import MediaServer
from toolkit.provision.metal.notebook import Notebook
from toolkit.wiring import SystemClock

pytestmark = pytest.mark.vm


def settings(metal: Metal, **changes: Any) -> Settings:
    return Settings(
        **{
            "url": metal.hall.url,
            "password": "env:BMC_PASSWORD",
            "tls_sha256": metal.hall.tls_sha256,
            "media_address": metal.hall.here,
            "console_file": str(metal.console),
            **changes,
        }
    )


def boot_of(metal: Metal, folder: Path, **changes: Any) -> InstallerBoot:
    return InstallerBoot(
        bmc=metal.bmc(),
        settings=settings(metal, **changes),
        meant=MachineIdentity(SERIAL, UUID, (MAC,)),
        notebook=Notebook(folder, SERIAL),
        clock=SystemClock(),
        base_path=Path,
        limits=Limits(asked_for=5, first_word=60, silent=60, off=20, poll=0.1, power_poll=1),
    )


def says(script: str) -> Callable[[MediaServer], None]:
    return lambda media: write_tiny_iso(media.file, script)


def test_the_installer_does_its_work_and_the_bmc_is_as_it_was(metal: Metal, tmp_path: Path) -> None:
    boot = boot_of(metal, tmp_path)
    found = boot.bmc.boot_override()
    phases: list[str] = []
    with boot.notebook.alone():
        boot.carry_out("install", "ab" * 32, says(DONE), lambda _, phase: phases.append(phase), may_be_on=False)
    assert "installer: write" in phases
    assert (metal.on, metal.has_cd, boot.bmc.boot_override()) == (False, False, found)
    record = boot.notebook.read()
    assert record is not None
    assert record.phase == "put-back"
    assert not boot.notebook.iso.exists()
    assert f'"serial": "{SERIAL}"' in metal.console.read_text()
