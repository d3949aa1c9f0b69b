"""How a host's number becomes its addresses and its MAC."""

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True)
class Network:
    """The lab's two networks, which share one bridge."""

    ipv4: ipaddress.IPv4Network
    ipv6: ipaddress.IPv6Network

    def addresses(self, number: int) -> tuple[str, str]:
        """The IPv4 and the IPv6 address of a number, which reads the same in both: 21 is 10.77.0.21 and fd77::21.

        Raises ValueError when a network has no such address.
        """
        ipv4 = self.ipv4.network_address + number
        ipv6 = self.ipv6.network_address + int(str(number), 16)
        if ipv4 not in self.ipv4 or ipv4 == self.ipv4.broadcast_address:
            raise ValueError(f"{self.ipv4} has no host number {number}")
        if ipv6 not in self.ipv6:
            raise ValueError(f"{self.ipv6} has no host number {number}")
        return str(ipv4), str(ipv6)

    @staticmethod
    def mac(number: int) -> str:
        """A locally administered MAC that ends in the number's decimal digits."""
        digits = f"{number:08d}"
        return "02:77:" + ":".join(digits[i : i + 2] for i in range(0, 8, 2))
