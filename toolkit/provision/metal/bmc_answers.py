"""What a BMC says: about its machine, the next boot, the virtual drive."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Disk:
    """A disk as the BMC knows it; what it does not tell is None."""

    name: str
    serial_number: str | None
    size_bytes: int | None


@dataclass(frozen=True)
class MachineFacts:
    """What the BMC says about its machine; `macs` in lower case."""

    system: str
    serial_number: str | None
    uuid: str | None
    maker: str | None
    model: str | None
    macs: tuple[str, ...]
    power: str


@dataclass(frozen=True)
class BootOverride:
    """What the machine boots from instead of its own order: `target` (Cd, Pxe …), `enabled` (Once, Continuous …)."""

    target: str | None
    enabled: str | None

    @property
    def off(self) -> bool:
        """Whether the machine follows its own boot order."""
        return self.enabled in (None, "Disabled") or self.target in (None, "None")


@dataclass(frozen=True)
class Medium:
    """What is in the virtual drive."""

    inserted: bool
    image: str | None
