"""What the tests of this folder do over and over; as a program: installs and hangs, so that it can be killed."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.provision.metal.conftest import MAC, SERIAL, UUID, Metal
from tests.provision.metal.hall import PASSWORD, USER
from tests.provision.metal.tiny_iso import STARTED, lines, write_tiny_iso
from toolkit.model.execution import Progress
from toolkit.model.provision import Bmc as Settings
from toolkit.provision.metal.bmc import Bmc
from toolkit.provision.metal.following import Limits
from toolkit.provision.metal.identity import MachineIdentity
from toolkit.provision.metal.installer_boot import InstallerBoot
from toolkit.provision.metal.machine import RedfishMachine
from toolkit.provision.metal.media_server import MediaServer, serve_media
from toolkit.provision.metal.notebook import Notebook
from toolkit.wiring import SystemClock

ORDER = "ab" * 32
LIMITS = Limits(asked_for=3, first_word=20, silent=3, bmc_silent=2, on=4, off=20, poll=0.1, power_poll=0.5)


def settings(url: str, tls_sha256: str, here: str, console: Path, **changes: Any) -> Settings:
    given = {"url": url, "tls_sha256": tls_sha256, "media_address": here, "console_file": str(console)}
    return Settings.model_validate({**given, "password": "env:BMC_PASSWORD", **changes})


def boot(
    folder: Path,
    settings: Settings,
    *,
    uuid: str | None = UUID,
    macs: tuple[str, ...] = (MAC,),
    limits: Limits = LIMITS,
) -> InstallerBoot:
    bmc = Bmc.connect(settings.url, USER, PASSWORD, tls_sha256=settings.tls_sha256)
    bmc.grace_seconds = 1.0
    return InstallerBoot(
        bmc=bmc,
        settings=settings,
        meant=MachineIdentity(SERIAL, uuid, macs),
        notebook=Notebook(folder, SERIAL),
        clock=SystemClock(),
        base_path=Path,
        limits=limits,
    )


def boot_of(
    metal: Metal, folder: Path, *, uuid: str | None = UUID, macs: tuple[str, ...] = (MAC,), **changes: Any
) -> InstallerBoot:
    hall = metal.hall
    given = settings(**{"url": hall.url, "tls_sha256": hall.tls_sha256, "here": hall.here, "console": metal.console,
                        **changes})  # fmt: skip
    return boot(folder, given, uuid=uuid, macs=macs)


def says(text: str, *, ends: bool = True) -> Callable[[MediaServer], None]:
    return lambda media: write_tiny_iso(media.file, text, ends=ends)


def carry_out(boot: InstallerBoot, text: str, progress: Progress = lambda *_: None, *, ends: bool = True) -> None:
    with boot.notebook.alone():
        boot.carry_out("install", ORDER, says(text, ends=ends), progress, may_be_on=False)


def machine_of(metal: Metal, folder: Path, text: str, *, order: str = ORDER) -> RedfishMachine:
    return RedfishMachine(lambda: boot_of(metal, folder), lambda: order, says(text), known_tls_sha256=None)


@contextmanager
def other_medium(metal: Metal, folder: Path) -> Iterator[str]:
    """Somebody else's ISO is in the drive."""
    iso = folder / "other.iso"
    write_tiny_iso(iso, "not ours")
    with serve_media(iso, metal.hall.here) as media:
        metal.bmc().insert(media.media_url)
        yield media.media_url


if __name__ == "__main__":
    url, tls_sha256, here, console, folder = sys.argv[1:]
    carry_out(boot(Path(folder), settings(url, tls_sha256, here, Path(console))), lines(STARTED), ends=False)
