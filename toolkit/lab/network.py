"""The wires: one bridge in a network of its own, and a cable from it to every machine."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import AsyncIPRoute

from toolkit.lab.namespaces import network_of

INTERFACE = "eth0"
"""What every machine calls its end of the cable."""

BRIDGE = "switch"
"""The bridge's name in its own network; virtual machines are plugged in there by it."""

_NO_DUPLICATE_CHECK = 0x02
"""IFA_F_NODAD: a lab's address is usable at once."""

_CONFIGURATION = {
    # a new network takes over what the machine has set for itself
    "net/ipv4/conf/{}/forwarding": "0",
    "net/ipv4/conf/{}/rp_filter": "0",
    "net/ipv4/conf/{}/arp_ignore": "0",
    "net/ipv4/conf/{}/arp_announce": "0",
    "net/ipv4/conf/{}/arp_notify": "0",
    "net/ipv4/conf/{}/proxy_arp": "0",
    "net/ipv6/conf/{}/accept_dad": "0",
    "net/ipv6/conf/{}/accept_ra": "0",
}


@dataclass(frozen=True)
class Port:
    """Where one machine is plugged in. `addresses` are the lab's to set; a box sets its own."""

    name: str
    network: int
    mac: str
    addresses: tuple[str, ...] = ()


class Switch:
    """The bridge and the cables; `network` is the descriptor of the network namespace the bridge lies in."""

    def __init__(self, network: int) -> None:
        self._network = network
        self._ports: dict[str, Port] = {}
        self._netlinks: dict[int, AsyncIPRoute] = {}

    async def build(self, ports: Iterable[Port]) -> None:
        """Makes the bridge and plugs every machine in, without power."""
        netlink = await self._netlink(self._network)
        await netlink.link("add", ifname=BRIDGE, kind="bridge", br_forward_delay=0, br_stp_state=0, br_mcast_snooping=0)
        bridge = await _index(netlink, BRIDGE)
        await netlink.link("set", index=bridge, state="up")
        for port in ports:
            self._ports[port.name] = port
            peer = {"ifname": INTERFACE, "net_ns_fd": port.network, "address": port.mac}
            await netlink.link("add", ifname=port.name, kind="veth", peer=peer, master=bridge, state="up")
        for port in self._ports.values():
            with network_of(port.network):
                for entry in ("all", "default", INTERFACE):
                    _configure(entry)
            machine = await self._netlink(port.network)
            await machine.link("set", index=await _index(machine, "lo"), state="up")

    async def cable(self, name: str, *, up: bool) -> None:
        """Pulls a machine's cable at the bridge, or puts it back."""
        netlink = await self._netlink(self._network)
        await netlink.link("set", index=await _index(netlink, name), state="up" if up else "down")

    async def power(self, name: str, *, on: bool) -> None:
        """Switches a machine's interface; without power it has no addresses, and its kernel answers nobody."""
        port = self._ports[name]
        netlink = await self._netlink(port.network)
        index = await _index(netlink, INTERFACE)
        if not on:
            await netlink.link("set", index=index, state="down")
            await netlink.flush_addr(index=index)
            return
        await netlink.link("set", index=index, state="up")
        for address in port.addresses:
            interface = ipaddress.ip_interface(address)
            await netlink.addr(
                "replace",
                index=index,
                address=str(interface.ip),
                prefixlen=interface.network.prefixlen,
                flags=_NO_DUPLICATE_CHECK if interface.version == 6 else 0,
            )

    async def _netlink(self, network: int) -> AsyncIPRoute:
        """A netlink socket of that network; all are opened while the lab is built, one after the other."""
        if network not in self._netlinks:
            netlink = AsyncIPRoute()
            with network_of(network):
                await netlink.setup_endpoint()
            self._netlinks[network] = netlink
        return self._netlinks[network]


async def _index(netlink: AsyncIPRoute, name: str) -> int:
    (index,) = await netlink.link_lookup(ifname=name)
    return int(index)


def _configure(entry: str) -> None:
    for path, value in _CONFIGURATION.items():
        file = Path("/proc/sys") / path.format(entry)
        if file.exists():
            file.write_text(value, encoding="ascii")
