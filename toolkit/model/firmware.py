"""What a machine's firmware is set to, as its BMC tells it, and how much of it is to be reset."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

FirmwareScope = Literal["none", "bios", "bios-and-bmc"]
"""What is reset besides the disks; the BMC only when it is asked for: it may not be reachable afterwards."""

BmcReset = Literal["PreserveNetwork", "ResetAll"]
"""`Manager.ResetToDefaults`, by Redfish's own words; `PreserveNetworkAndUsers` would leave accounts behind."""

BmcSeen = Literal["accepts-us", "refuses-us", "silent"]
"""What became of a BMC after its reset, as far as our account sees it."""


@dataclass(frozen=True)
class BiosState:
    """The BIOS now. `defaults`: what its attribute registry publishes, of attributes that a reset changes.

    `pending`: whether the reset waits for the machine's next start; None: the BMC does not say.
    """

    attributes: Mapping[str, JsonValue]
    defaults: Mapping[str, JsonValue]
    pending: bool | None = None


@dataclass(frozen=True)
class KeyDatabase:
    """A database of UEFI Secure Boot keys: SHA-256 of what is enrolled, and of the factory's."""

    name: str
    enrolled: frozenset[str]
    factory: frozenset[str]
