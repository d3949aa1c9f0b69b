"""What a neighbour sees of a box on a real wire; run inside a user and network namespace of its own.

`unshare -Urn python -m tests.emulator.appliance.wire_story FOLDER` makes a veth pair, gives one end to a box in a
network namespace of its own, watches from the other end, and prints what it saw as one JSON document.
"""

import json
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from pyroute2 import IPRoute

from tests.emulator.appliance.box_process import CLIENT_ID, CLIENT_SECRET, in_use_order, wait_until
from toolkit.emulator.appliance.disk import Disk
from toolkit.emulator.appliance.factory import manufacture
from toolkit.emulator.appliance.faults import Faults

BOX, SHARED, NEIGHBOUR = "10.77.0.11", "10.77.0.10", "10.77.0.1"
BOX6, SHARED6, NEIGHBOUR6 = "fd77::11", "fd77::10", "fd77::1"
MAC = "02:00:00:00:00:11"


class Tap:
    """Every frame that arrives at the neighbour."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.bind(("peer0", 0))
        self._socket.setblocking(False)

    def drain(self) -> list[bytes]:
        """What has arrived since the last look."""
        frames = []
        while True:
            try:
                frames.append(self._socket.recv(2048))
            except BlockingIOError:
                return frames

    def announcements(self, address: str) -> list[str]:
        """The announcements of `address` since the last look: "request", "reply" or "advertisement"."""
        return [kind for frame in self.drain() if (kind := announcement_of(frame, address)) is not None]

    def asks_for(self, address: str) -> list[str]:
        """Asks who has the address for half a second; the MACs that answered."""
        mac = bytes.fromhex(interface_mac("peer0").replace(":", ""))
        request = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + socket.inet_aton(NEIGHBOUR)
        request += bytes(6) + socket.inet_aton(address)
        self.drain()
        self._socket.send(b"\xff" * 6 + mac + b"\x08\x06" + request)
        answers: list[str] = []
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline and not answers:
            for frame in self.drain():
                if (
                    frame[12:14] == b"\x08\x06"
                    and frame[20:22] == b"\0\2"
                    and frame[28:32] == socket.inet_aton(address)
                ):
                    answers.append(frame[22:28].hex(":"))
            time.sleep(0.005)
        return answers


def announcement_of(frame: bytes, address: str) -> str | None:
    if frame[12:14] == b"\x08\x06" and ":" not in address:
        packed = socket.inet_aton(address)
        if frame[28:32] == packed and frame[38:42] == packed and frame[6:12].hex(":") == MAC:
            return {1: "request", 2: "reply"}[int.from_bytes(frame[20:22])]
    if frame[12:14] == b"\x86\xdd" and ":" in address and frame[54:55] == b"\x88":
        packed = socket.inet_pton(socket.AF_INET6, address)
        override = bool(frame[58] & 0x20)
        if frame[62:78] == packed and override and frame[80:86].hex(":") == MAC:
            return "advertisement"
    return None


def interface_mac(name: str) -> str:
    with IPRoute() as ipr:
        (link,) = ipr.link("get", index=ipr.link_lookup(ifname=name)[0])
        return str(link.get_attr("IFLA_ADDRESS"))


@contextmanager
def box_on_a_wire(folder: Path, box_mac: str, second_mac: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A powered-on box whose `eth0` is wired to our `peer0`; the network card's own MAC is `box_mac`.

    With `second_mac` it has an `eth1`, wired to our `peer1`, which has no address.
    """
    console = folder / "console"
    console.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "toolkit.emulator.appliance", "run"),
        *("--disk", str(folder / "disk"), "--console", str(console)),
    ]
    # it waits for its card to be plugged in
    box = subprocess.Popen(
        ["unshare", "-n", "sh", "-c", 'read plugged; exec "$@"', "sh", *command], stdin=subprocess.PIPE
    )
    assert box.stdin is not None
    wait_until(lambda: _namespace(box.pid) != _namespace("self"), "the box's namespace")
    # the namespace is held, so that the wire is still there when the box is off
    with Path(f"/proc/{box.pid}/ns/net").open("rb"), IPRoute() as ipr:
        ipr.link("add", ifname="peer0", kind="veth", peer={"ifname": "eth0", "address": box_mac, "net_ns_pid": box.pid})
        index = ipr.link_lookup(ifname="peer0")[0]
        ipr.addr("add", index=index, address=NEIGHBOUR, prefixlen=24)
        ipr.addr("add", index=index, address=NEIGHBOUR6, prefixlen=64, flags=0x02)
        ipr.link("set", index=index, state="up")
        if second_mac:
            far_end = {"ifname": "eth1", "address": second_mac, "net_ns_pid": box.pid}
            ipr.link("add", ifname="peer1", kind="veth", peer=far_end)
            ipr.link("set", index=ipr.link_lookup(ifname="peer1")[0], state="up")
        try:
            box.stdin.write(b"\n")
            box.stdin.close()
            wait_until(lambda: console.exists() and "ready\n" in console.read_text(), "the box to be ready")
            yield box
        finally:
            box.kill()
            box.wait()
            ipr.link("del", index=index)
            for second in ipr.link_lookup(ifname="peer1"):
                ipr.link("del", index=second)


def _namespace(pid: int | str) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def _trusting() -> ssl.SSLContext:
    # who answers is told by the MAC here, not by the certificate
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Program:
    """A client of the automation API."""

    def __init__(self, address: str = BOX) -> None:
        self.client = httpx.Client(base_url=f"https://{address}", verify=_trusting())
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        token = self.client.post("/oauth2/token", data=form).json()["access_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"
        network = self.client.get("/api/v1/network").json()
        self.numbers = {entry["address"]: entry["id"] for entry in network["addresses"]}

    def enable(self, address: str, enabled: bool) -> float:
        """Milliseconds until it is answered."""
        start = time.perf_counter()
        answer = self.client.patch(f"/api/v1/network/addresses/{self.numbers[address]}", json={"enabled": enabled})
        assert answer.status_code == 200, answer.text
        return (time.perf_counter() - start) * 1000


def serves(address: str) -> bool:
    """Whether a new HTTPS connection to the address is answered."""
    host = f"[{address}]" if ":" in address else address
    try:
        return httpx.get(f"https://{host}/check_health", verify=_trusting(), timeout=0.5).status_code == 200
    except httpx.HTTPError:
        return False


def tell(folder: Path) -> dict[str, Any]:
    """The story; what the neighbour saw, by the name of the scene."""
    seen: dict[str, Any] = {}
    order = in_use_order(
        mac=MAC,
        addresses=[f"{BOX}/24", f"{BOX6}/64"],
        shared_addresses=[{"address": f"{SHARED}/24"}, {"address": f"{SHARED6}/64"}],
        gateway=NEIGHBOUR,
    )
    manufacture(folder / "disk", order)
    faults = Faults(Disk(folder / "disk"))
    with box_on_a_wire(folder, "02:00:00:00:99:99"):
        program, tap = Program(), Tap()
        seen["box answers with"] = tap.asks_for(BOX)
        seen["shared before"] = tap.asks_for(SHARED), serves(SHARED), serves(SHARED6)
        for address in (SHARED, SHARED6):
            tap.drain()
            seen[f"enable {address} ms"] = program.enable(address, True)
            seen[f"announced at once {address}"] = tap.announcements(address)
            seen[f"served at once {address}"] = serves(address)
            wait_until(partial(tap.announcements, address), "the announcement to be repeated")
        seen["shared enabled"] = tap.asks_for(SHARED)
        # the longest repeat is due after a second: one that is not cancelled would steal the address back
        for address in (SHARED, SHARED6):
            program.enable(address, False)
            program.enable(address, True)
            tap.drain()
            seen[f"disable {address} ms"] = program.enable(address, False)
        seen["served after"] = serves(SHARED), serves(SHARED6)
        seen["shared disabled"] = tap.asks_for(SHARED)
        tap.drain()
        time.sleep(1.3)  # not a hope: the time within which nothing may come
        seen["announced after"] = tap.announcements(SHARED) + tap.announcements(SHARED6)
        faults.plant("no-announcements")
        program.enable(SHARED, True)
        seen["announced with the fault"] = tap.announcements(SHARED)
        faults.plant("says-ok-changes-nothing:address")
        program.enable(SHARED, False)
        seen["disabled with the fault"] = tap.asks_for(SHARED)
        faults.plant()
    with box_on_a_wire(folder, MAC) as box:
        tap = Tap()
        seen["after a power cut"] = tap.asks_for(SHARED), serves(SHARED)
        Program().client.post("/api/v1/power/shut-down")
        seen["status at the end"] = box.wait(30)
        seen["after the end"] = tap.asks_for(BOX), tap.asks_for(SHARED)
    return seen


if __name__ == "__main__":
    print(json.dumps(tell(Path(sys.argv[1]))))
