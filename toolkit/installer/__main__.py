"""Runs the installer; its exit status tells `init` how the machine ends: off, starts again, or a shell."""

import sys

from toolkit.installer.console import Console
from toolkit.installer.machine import inventory

OFF, AGAIN, SHELL = 0, 10, 20


def main() -> int:
    """Does the medium's job."""
    console = Console()
    console.say({"phase": "inventory", **inventory().as_json()})
    console.say({"phase": "done", "action": "inspect"})
    return OFF


if __name__ == "__main__":
    sys.exit(main())
