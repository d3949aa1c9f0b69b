"""The address that is watched now: shared by all workers, changed only by the one that asks the resolver."""

import ipaddress
import mmap

from toolkit.probes.sockets import Address, parse_address

_TEXT = 64


class Target:
    """An address in memory that forked processes share; `generation` changes with every new address (0 to 255)."""

    def __init__(self, address: str) -> None:
        self._memory = mmap.mmap(-1, 1 + 2 * _TEXT)
        self._write(0, address)

    @property
    def generation(self) -> int:
        """Cheap enough to be asked a thousand times a second."""
        return self._memory[0]

    @property
    def address(self) -> Address:
        """The address of the present generation."""
        # two places in turn: the one being read is never the one being written
        start = 1 + self._memory[0] % 2 * _TEXT
        return parse_address(self._memory[start : start + _TEXT].rstrip(b"\0").decode())

    def change(self, address: str) -> bool:
        """Follows a new address; False when it is none, of the other IP version, or the present one."""
        try:
            new = ipaddress.ip_address(address)
        except ValueError:
            return False
        if new.version != self.address.version or new == self.address:
            return False
        self._write((self.generation + 1) % 256, address)
        return True

    def _write(self, generation: int, address: str) -> None:
        start = 1 + generation % 2 * _TEXT
        self._memory[start : start + _TEXT] = address.encode().ljust(_TEXT, b"\0")
        self._memory[0] = generation
