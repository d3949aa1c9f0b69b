"""A box on a real wire that is cut off by a change of its network settings, and finds back by itself.

`unshare -Urn python -m tests.emulator.appliance.cut_off_story FOLDER` prints what was seen as one JSON document.
"""

import json
import secrets
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from tests.emulator.appliance.box_process import in_use_order, wait_until
from tests.emulator.appliance.wire_story import BOX, MAC, NEIGHBOUR, Program, box_on_a_wire, serves
from toolkit.emulator.appliance.factory import manufacture

SECOND_MAC = "02:00:00:00:00:21"
ELSEWHERE = [{"destination": "10.200.0.0/16", "gateway": NEIGHBOUR}]
HOME = {"address": BOX, "prefix": 24, "interface": "eth0"}
BACKSTAGE = {"address": "10.78.0.11", "prefix": 24, "interface": "eth1"}


def begin(seconds: float, **wanted: Any) -> str:
    """Begins a change over a connection of its own; its number."""
    number = secrets.token_hex(8)
    there = f"/api/v1/network/changes/{number}"
    answer = Program().client.put(there, json={"confirm_within_seconds": seconds, **wanted})
    assert answer.status_code == 202, answer.text
    return number


def after(change: str) -> dict[str, Any]:
    """How a change stands, by somebody who has just come."""
    document: dict[str, Any] = Program().client.get(f"/api/v1/network/changes/{change}").json()
    return document


def reverted(change: str) -> bool:
    """Whether a change has been undone."""
    return bool(after(change)["state"] == "reverted")


def ports() -> list[dict[str, Any]]:
    """The box's ports as it shows them now."""
    shown: list[dict[str, Any]] = Program().client.get("/api/v1/network").json()["interfaces"]
    return shown


def kernel(box: subprocess.Popen[bytes], *command: str) -> str:
    """What the kernel of the box's namespace says."""
    told = subprocess.run(
        ["nsenter", f"--net=/proc/{box.pid}/ns/net", "ip", *command], capture_output=True, text=True, check=True
    )
    return told.stdout


def tell(folder: Path) -> dict[str, Any]:
    """The story; what was seen, by the name of the scene."""
    seen: dict[str, Any] = {}
    order = in_use_order(
        mac=MAC,
        addresses=[f"{BOX}/24"],
        shared_addresses=[],
        gateway=NEIGHBOUR,
        more_ports=[{"name": "eth1", "mac": SECOND_MAC}],
    )
    manufacture(folder / "disk", order)
    cut_offs = {
        "another network": [{"address": "10.99.0.11", "prefix": 24, "interface": "eth0"}],
        "a prefix that leaves us out": [{"address": BOX, "prefix": 32, "interface": "eth0"}],
    }
    with box_on_a_wire(folder, MAC, SECOND_MAC) as box:
        # the kernel tells of a link a moment after both its ends are up
        wait_until(lambda: all(port["link"] for port in ports()), "every port to have its link")
        seen["ports"] = ports()
        for name, addresses in cut_offs.items():
            change = begin(1.5, addresses=addresses, gateway="", routes=[])
            wait_until(lambda: not serves(BOX), "the box to be cut off")
            wait_until(lambda: serves(BOX), "the box to find back")
            wait_until(partial(reverted, change), "the change to be undone")
            seen[name] = after(change)["reason"], f"default via {NEIGHBOUR}" in kernel(box, "route")
        change = begin(30, addresses=[HOME, BACKSTAGE], routes=ELSEWHERE)
        seen["confirmed"] = Program().client.post(f"/api/v1/network/changes/{change}/confirm").json()["state"]
        seen["routes"] = f"10.200.0.0/16 via {NEIGHBOUR}" in kernel(box, "route")
        seen["backstage"] = "10.78.0.11/24" in kernel(box, "addr", "show", "dev", "eth1")
        pending = begin(
            3600, addresses=[{"address": "10.99.0.11", "prefix": 24, "interface": "eth0"}], gateway="", routes=[]
        )
        wait_until(lambda: not serves(BOX), "the box to be cut off")
    with box_on_a_wire(folder, MAC, SECOND_MAC) as box:
        seen["after a power cut"] = serves(BOX), after(pending)["state"], after(pending)["reason"]
        seen["routes after it"] = f"10.200.0.0/16 via {NEIGHBOUR}" in kernel(box, "route")
        seen["backstage after it"] = "10.78.0.11/24" in kernel(box, "addr", "show", "dev", "eth1")
    return seen


if __name__ == "__main__":
    print(json.dumps(tell(Path(sys.argv[1]))))
