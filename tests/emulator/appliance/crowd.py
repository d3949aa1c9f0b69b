"""How much memory silent connections cost a box, and whether somebody else is served meanwhile.

`unshare -Urn python -m tests.emulator.appliance.crowd FOLDER [CONNECTIONS]` prints one JSON document; the box and the
crowd are in a network namespace of their own.
"""

import json
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.emulator.appliance.box_process import BoxProcess, in_use_order


def resident_mb(pid: int) -> float:
    """What the process holds of memory, in million bytes."""
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024 / 1e6


def main(folder: Path, count: int) -> None:
    """The measurement."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    box = BoxProcess(folder, in_use_order())
    try:
        client = box.power_on().api()
        assert client.get("/api/v1/status").status_code == 200
        seen: dict[str, object] = {"connections": count, "before_mb": round(resident_mb(box.process.pid), 1)}
        with ExitStack() as stack:
            for number in range(count):
                # several addresses, so that the limit in all is the one that is met
                source = (f"127.0.{number // 400}.{1 + number % 20}", 0)
                stack.enter_context(socket.create_connection(box.place(), timeout=10, source_address=source))
            began = time.monotonic()
            assert box.anonymous().get("/check_health").status_code == 200
            seen["served_meanwhile_ms"] = round((time.monotonic() - began) * 1000)
            seen["with_them_mb"] = round(resident_mb(box.process.pid), 1)
            time.sleep(22)
            descriptors = Path(f"/proc/{box.process.pid}/fd")
            seen["sockets_after_22_s"] = len(
                [one for one in descriptors.iterdir() if str(one.readlink()).startswith("socket:")]
            )
        seen["after_mb"] = round(resident_mb(box.process.pid), 1)
        print(json.dumps(seen))
    finally:
        box.remove()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 4000)
