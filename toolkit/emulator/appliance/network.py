"""*Networking > IP Configuration*: the rules of addresses; the wire itself is moved by `wire.py`."""

from collections.abc import Sequence

from toolkit.emulator.appliance.facts import Address, NetworkSettings


class Network:
    """The box's network settings and addresses."""

    def settings(self) -> NetworkSettings:
        """All of it as data."""
        raise NotImplementedError

    def change(
        self,
        by: str,
        *,
        hostname: str | None = None,
        gateway: str | None = None,
        dns_servers: Sequence[str] | None = None,
        ntp_servers: Sequence[str] | None = None,
    ) -> NetworkSettings:
        """Changes what is given (None: leave); Refusal 422 `invalid_request`."""
        raise NotImplementedError

    def add_address(
        self, by: str, *, address: str, prefix: int, interface: str, shared: bool, enabled: bool
    ) -> Address:
        """Defines one more address; 409 `conflict`, 422 `invalid_request`."""
        raise NotImplementedError

    def set_enabled(self, by: str, address_id: int, enabled: bool) -> Address:
        """On the wire, and announced, before it returns; 404, 409 `last_address`."""
        raise NotImplementedError

    def delete_address(self, by: str, address_id: int) -> None:
        """Off the wire and forgotten; 404, 409 `last_address`."""
        raise NotImplementedError
