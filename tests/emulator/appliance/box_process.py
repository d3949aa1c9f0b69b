"""A box as its users have it: a process, powered on, off and killed, reached over real TLS on loopback ports."""

import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from toolkit.emulator.appliance.database import Connection, connect
from toolkit.emulator.appliance.disk import Disk
from toolkit.emulator.appliance.factory import Factory, Made, manufacture
from toolkit.emulator.appliance.faults import Faults

OWN, SHARED = "10.77.0.11", "10.77.0.10"
NEW_SERIAL_NUMBER, OLD_SERIAL_NUMBER = "NEW-0001", "OLD-0001"
ADMIN_PASSWORD = "correct horse battery"
CLIENT_ID, CLIENT_SECRET = "tests", "a secret of at least 24 characters"
SITE = "support.example.net"
DEADLINE_SECONDS = 30.0


def factory_order(**changes: Any) -> Factory:
    """A box fresh from the factory."""
    return Factory.model_validate(
        {"serial_number": NEW_SERIAL_NUMBER, "mac": "02:00:00:00:00:12", "addresses": [f"{OWN}/24"], **changes}
    )


def in_use_order(**changes: Any) -> Factory:
    """A box that serves a small site."""
    fields = {
        "serial_number": OLD_SERIAL_NUMBER,
        "profile": "in-use",
        "site": SITE,
        "site_version": "Bomgar-12.2.0",
        "size_mb": 1,
        "shared_addresses": [{"address": f"{SHARED}/24"}],
        "admin_password": SecretStr(ADMIN_PASSWORD),
        "api_accounts": {CLIENT_ID: SecretStr(CLIENT_SECRET)},
    }
    return factory_order(**{**fields, **changes})


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Polls until it holds; fails the test after the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS:.0f} s for: {what}"
        time.sleep(0.02)


class BoxProcess:
    """A box on its disk; `made` is what the factory said of it. Without an order its disk is there already."""

    def __init__(self, folder: Path, order: Factory | None) -> None:
        self.folder = folder
        self.disk = folder / "disk"
        self.console = folder / "console"
        self.made: Made | None = None if order is None else manufacture(self.disk, order)
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[httpx.Client] = []

    def made_certificate(self, address: str = OWN) -> str:
        """The SHA-256 of the certificate that the factory said it serves."""
        assert self.made is not None
        return self.made.served[address]

    # power

    def power_on(self) -> "BoxProcess":
        """Returns when the console says ready."""
        self.console.unlink(missing_ok=True)
        with (self.folder / "stderr").open("ab") as stderr:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "toolkit.emulator.appliance", "run"),
                    *("--disk", str(self.disk), "--console", str(self.console), "--bind", "127.0.0.1:0"),
                ],
                stderr=stderr,
            )
        self.wait_for_console("ready")
        return self

    def kill(self) -> None:
        """kill -9: the power is cut."""
        self.process.kill()
        self.process.wait()
        self._close()

    def power_button(self) -> int:
        """Pressed; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_off()

    def wait_off(self) -> int:
        """The exit status, once it has gone off by itself."""
        self._close()
        return self.process.wait(DEADLINE_SECONDS)

    def remove(self) -> None:
        """After a test: off, whatever it was doing."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._close()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    # console

    def console_lines(self) -> list[str]:
        return self.console.read_text().splitlines() if self.console.exists() else []

    def wait_for_console(self, line: str) -> None:
        def said() -> bool:
            assert self.process.poll() is None or line == "off", (self.folder / "stderr").read_text()
            return line in self.console_lines()

        wait_until(said, f"console line {line!r}")

    def place(self, address: str = OWN) -> tuple[str, int]:
        """Where an address of the box is reached on this machine."""
        prefix = f"listening: {address} at "
        lines = [line for line in self.console_lines() if line.startswith(prefix)]
        assert len(lines) == 1, self.console_lines()
        host, _, port = lines[0].removeprefix(prefix).rpartition(":")
        return host, int(port)

    def url(self, address: str = OWN) -> str:
        host, port = self.place(address)
        return f"https://{host}:{port}"

    def console_fingerprint(self, address: str = OWN) -> str:
        (line,) = [line for line in self.console_lines() if line.endswith(f" on {address}") and "sha256" in line]
        return line.removeprefix("certificate sha256: ").removesuffix(f" on {address}")

    # callers

    def anonymous(self, address: str = OWN) -> httpx.Client:
        """Somebody without an account; trusts any certificate, which the TLS tests look at themselves."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        client = httpx.Client(base_url=self.url(address), verify=context, timeout=DEADLINE_SECONDS)
        self._clients.append(client)
        return client

    def api(self, client_id: str = CLIENT_ID, secret: str = CLIENT_SECRET) -> httpx.Client:
        """A program with an API account and a token."""
        return self.api_at(OWN, client_id, secret)

    def api_at(self, address: str, client_id: str = CLIENT_ID, secret: str = CLIENT_SECRET) -> httpx.Client:
        """The same, at another address of the box."""
        client = self.anonymous(address)
        answer = client.post(
            "/oauth2/token", data={"grant_type": "client_credentials"}, auth=httpx.BasicAuth(client_id, secret)
        )
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client

    def take_into_use(self) -> httpx.Client:
        """First boot: a new password, an API account, and a program that uses it."""
        client = self.anonymous()
        body = {"username": "admin", "password": "password", "new_password": ADMIN_PASSWORD}
        assert client.post("/api/v1/setup/password", json=body).status_code == 204
        account = client.put(
            f"/api/v1/api-accounts/{CLIENT_ID}", json={"client_secret": CLIENT_SECRET}, auth=("admin", ADMIN_PASSWORD)
        )
        assert account.status_code == 201
        return self.api()

    def served(self, address: str = OWN, name: str | None = None) -> str:
        """The SHA-256 of the certificate that a new connection is shown, with or without SNI."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection(self.place(address), timeout=DEADLINE_SECONDS) as raw,
            context.wrap_socket(raw, server_hostname=name) as connection,
        ):
            return sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()

    def answers(self, address: str = OWN) -> bool:
        """Whether anything takes a connection there."""
        try:
            socket.create_connection(self.place(address), timeout=DEADLINE_SECONDS).close()
        except OSError:
            return False
        return True

    def database(self) -> Connection:
        """What the box has written down, behind its back; every statement is a change of its own."""
        return connect(Disk(self.disk).database, Disk(self.disk).keys)

    def plant(self, *faults: str) -> None:
        Faults(Disk(self.disk)).plant(*faults)

    def _close(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()
