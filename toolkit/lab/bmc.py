"""The management controller of a lab's metal: OpenStack's sushy-emulator, which drives virtual machines by Redfish."""

import json
import sys
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from toolkit.lab import operator
from toolkit.lab.authority import Issued
from toolkit.lab.programs import Command
from toolkit.model.errors import InputError

USERNAME = "admin"


def system_id(serial_number: str) -> UUID:
    """The UUID by which the BMC knows the machine with that serial number."""
    return uuid5(NAMESPACE_URL, f"urn:rebox:lab:{serial_number}")


def lay(folder: Path, address: str, certificate: Issued, password: str, systems: list[UUID]) -> None:
    """Writes its settings: it answers by HTTPS, to one account, and shows `systems` alone."""
    try:
        import bcrypt  # noqa: PLC0415  comes with the emulator, which only labs with metal need
    except ImportError:
        raise InputError(
            "a lab with metal needs the Redfish emulator sushy-tools, which is not installed",
            where='backend = "vm"',
            next_move="Set up what virtual machines need: make setup-vm",
        ) from None
    (folder / "certificate.pem").write_bytes(certificate.chain_pem)
    operator.write_private(folder / "key.pem", certificate.key_pem)
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(6)).decode()
    operator.write_private(folder / "accounts", f"{USERNAME}:{hashed}\n".encode())
    settings = {
        "LISTEN_IP": address,
        "LISTEN_PORT": 443,
        "SSL_CERT": str(folder / "certificate.pem"),
        "SSL_KEY": str(folder / "key.pem"),
        "AUTH_FILE": str(folder / "accounts"),
        "LIBVIRT_URI": "qemu:///system",
        "STATE_DIR": str(folder),
        "FEATURE_SET": "full",
        "ALLOWED_INSTANCES": [str(system) for system in systems],
        # media come from who is at work just now, under a certificate made for the purpose
        "VMEDIA_VERIFY_SSL": False,
    }
    lines = [
        f"SUSHY_EMULATOR_{name} = {json.dumps(value) if value is not False else 'False'}\n"
        for name, value in settings.items()
    ]
    (folder / "emulator.conf").write_text("".join(lines), encoding="ascii")


def command(folder: Path, log: Path, environment: dict[str, str]) -> Command:
    """What runs on the BMC's host."""
    return Command(
        (sys.executable, "-P", "-m", "sushy_tools.emulator.main", "--config", str(folder / "emulator.conf")),
        folder,
        log,
        environment,
    )
