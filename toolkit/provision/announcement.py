"""The line by which a box says on its console which certificate it serves (docs/images.md)."""

import re

_ANNOUNCED = re.compile(r"certificate sha256: ([0-9a-f]{64}) on (\S+)\r?\n")


def announced_certificate(console: str, address: str) -> str | None:
    """The SHA-256 of the certificate that the box says it serves on `address`: what it said last counts."""
    found = [sha256 for sha256, where in _ANNOUNCED.findall(console) if where == address]
    return found[-1] if found else None
