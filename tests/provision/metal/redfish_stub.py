"""A Redfish service of a test's own, for what the real emulator does not offer: registries, keys, a BMC that resets.

Resources are a dictionary, actions are functions; a POST or PATCH that has none is noted and fails the test at its end.
"""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.provision.metal.hall import PASSWORD, USER, certificate
from toolkit.provision.metal.bmc import Bmc

SYSTEM, MANAGER = "/redfish/v1/Systems/1", "/redfish/v1/Managers/bmc"
SERIAL, MAC = "SRV-0042", "52:54:00:78:00:01"
Resource = dict[str, Any]


def link(path: str) -> Resource:
    return {"@odata.id": path}


def collection(*paths: str) -> Resource:
    return {"Members": [link(path) for path in paths], "Members@odata.count": len(paths)}


class RedfishStub:
    """One system with its BMC; a test adds what its BMC offers."""

    def __init__(self) -> None:
        self.password = PASSWORD
        self.posted: list[tuple[str, Resource]] = []
        self.unexpected: list[str] = []
        self.actions: dict[str, Callable[[Resource], object]] = {f"{SYSTEM}/Actions/ComputerSystem.Reset": self._power}
        self.resources: dict[str, Resource] = {
            "/redfish/v1/": {
                "Id": "Root", "Name": "Root", "RedfishVersion": "1.6.0",
                "Systems": link("/redfish/v1/Systems"), "Managers": link("/redfish/v1/Managers"),
            },
            "/redfish/v1/Systems": {"Name": "Systems", **collection(SYSTEM)},
            "/redfish/v1/Managers": {"Name": "Managers", **collection(MANAGER)},
            SYSTEM: {
                "Id": "1", "Name": "Server", "SerialNumber": SERIAL, "PowerState": "Off",
                "Boot": {
                    "BootSourceOverrideTarget": "None", "BootSourceOverrideEnabled": "Disabled",
                    "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "BiosSetup", "Hdd"],
                },
                "EthernetInterfaces": link(f"{SYSTEM}/EthernetInterfaces"),
                "Links": {"ManagedBy": [link(MANAGER)]},
                "Actions": {"#ComputerSystem.Reset": {
                    "target": f"{SYSTEM}/Actions/ComputerSystem.Reset",
                    "ResetType@Redfish.AllowableValues": ["On", "ForceOff"],
                }},
            },
            f"{SYSTEM}/EthernetInterfaces": {"Name": "Ports", **collection(f"{SYSTEM}/EthernetInterfaces/1")},
            f"{SYSTEM}/EthernetInterfaces/1": {"Id": "1", "Name": "Port", "MACAddress": MAC},
            MANAGER: {"Id": "bmc", "Name": "BMC", "Links": {"ManagerForServers": [link(SYSTEM)]}},
        }  # fmt: skip
        self.url, self.tls_sha256 = "", ""

    @property
    def system(self) -> Resource:
        return self.resources[SYSTEM]

    def offer(self, resource: str, action: str, do: Callable[[Resource], object], **fields: object) -> None:
        target = f"{resource}/Actions/{action}"
        self.resources[resource].setdefault("Actions", {})[f"#{action}"] = {"target": target, **fields}
        self.actions[target] = do

    def bmc(self) -> Bmc:
        return Bmc.connect(self.url, USER, PASSWORD, tls_sha256=self.tls_sha256)

    def answer(self, method: str, path: str, body: Resource) -> tuple[int, Resource]:
        found = self.resources.get(path) or self.resources.get(path.rstrip("/"))
        if method == "GET":
            return (200, {"@odata.id": path, **found}) if found else (404, {})
        if method == "PATCH" and path == SYSTEM and set(body) == {"Boot"}:
            self.system["Boot"].update(body["Boot"])
        elif method == "POST" and path in self.actions:
            self.posted.append((path.rpartition("/")[2], body))
            self.actions[path](body)
        else:
            self.unexpected.append(f"{method} {path}")
            return 501, {}
        return 204, {}

    def _power(self, body: Resource) -> None:
        self.system["PowerState"] = "On" if body["ResetType"] == "On" else "Off"


@contextmanager
def redfish_stub(folder: Path) -> Iterator[RedfishStub]:
    """It listens on loopback while the test lasts."""
    stub = RedfishStub()
    stub.tls_sha256 = certificate(folder, "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def reply(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            account = base64.b64encode(f"{USER}:{stub.password}".encode()).decode()
            # the service root is anybody's to read (DSP0266)
            allowed = self.headers.get("Authorization") == f"Basic {account}" or self.path == "/redfish/v1/"
            status, found = stub.answer(self.command, self.path, json.loads(text or b"{}")) if allowed else (401, {})
            content = b"" if status == 204 else json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = reply  # noqa: N815

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "bmc.pem", folder / "bmc.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    stub.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield stub
        assert stub.unexpected == []
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
