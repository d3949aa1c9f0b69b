"""Tells a server what the console is told: over TLS, after the server has shown the one certificate that is right."""

import json
import ssl
import subprocess
from collections.abc import Mapping
from hashlib import sha256
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from toolkit.installer.machine import ports

_SECONDS_MAX = 5.0
_TRIES_IN_VAIN_MAX = 3


class CallHome:
    """The server; it is told nothing, not even the token, unless its certificate has the hash that the job names."""

    def __init__(self, report: Mapping[str, str]) -> None:
        parts = urlsplit(report["url"])
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._token, self._pin = report["token"], report["certificate_sha256"]
        self._in_vain = 0

    def tell(self, event: Mapping[str, Any], *, last: bool = False) -> str:
        """Posts the event; why it could not, or "". A server that never answers is left alone until the `last`."""
        if self._in_vain >= _TRIES_IN_VAIN_MAX and not last:
            return ""
        try:
            self._post(json.dumps(dict(event)).encode())
        except (OSError, HTTPException, ValueError) as error:
            self._in_vain += 1
            return str(error) or type(error).__name__
        self._in_vain = 0
        return ""

    def _post(self, body: bytes) -> None:
        context = ssl.create_default_context()
        # who it is, its certificate's hash tells, and nothing else
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection(self._host, self._port, timeout=_SECONDS_MAX, context=context)
        try:
            connection.connect()
            shown = sha256(connection.sock.getpeercert(binary_form=True) or b"").hexdigest()
            if shown != self._pin:
                raise ValueError(f"the server's certificate has the SHA-256 {shown}, not {self._pin}")
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            connection.request("POST", self._path, body, headers)
            status = connection.getresponse().status
            if status // 100 != 2:  # any success
                raise ValueError(f"the server answered {status}")
        finally:
            connection.close()


def set_up(network: Mapping[str, str], system: Path = Path("/sys")) -> str:
    """Gives the port its address, by DHCP where the job names none; why it could not, or ""."""
    names = [name for name, mac in ports(system) if mac == network["mac"]]
    if len(names) != 1:
        return f"no port for the report has the MAC {network['mac']}"
    (name,) = names
    commands = [["ip", "link", "set", name, "up"]]
    if "address" in network:
        commands.append(["ip", "address", "add", network["address"], "dev", name])
        if "gateway" in network:
            commands.append(["ip", "route", "add", "default", "via", network["gateway"]])
    else:
        commands.append(["udhcpc", "-n", "-q", "-i", name, "-s", "/bin/dhcp-lease"])
    for command in commands:
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            return f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}"
    return ""
