"""What a box that is a machine of its own says on its console (docs/images.md)."""

from dataclasses import dataclass
from pathlib import Path

from toolkit.provision.announcement import announced_certificate

_TAIL_BYTES = 2000


@dataclass(frozen=True)
class Console:
    """A box's console, kept in a file; `address` is the box's own."""

    file: Path
    address: str

    @property
    def text(self) -> str:
        """All that it has said."""
        try:
            return self.file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    @property
    def lines(self) -> list[str]:
        """Its whole lines: one that is still being written is none yet."""
        return [line.strip() for line in self.text.splitlines(keepends=True) if line.endswith("\n")]

    @property
    def tail(self) -> str:
        """Its last words."""
        return self.text[-_TAIL_BYTES:].strip()

    def announced(self) -> str | None:
        """The SHA-256 of the certificate it has said last that it serves; None: it has not said so."""
        return announced_certificate(self.text, self.address)

    def complaint(self) -> str | None:
        """Why the box does not start, as it said last."""
        return next((line for line in reversed(self.lines) if line.startswith("error: ")), None)
