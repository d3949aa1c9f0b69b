"""Switches a box on: one process, one event loop, a listener per address, until it is switched off."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import cast

import uvicorn

from toolkit.emulator.appliance.box import Box
from toolkit.emulator.appliance.disk import Disk
from toolkit.emulator.appliance.front_door import FrontDoor
from toolkit.emulator.appliance.guarded_change import OPENED
from toolkit.emulator.appliance.identity import Identity
from toolkit.emulator.appliance.listeners import Connection, Listeners, Loopback
from toolkit.emulator.appliance.memory_folder import temporary_files_in_memory
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.emulator.appliance.wire import KernelWire, PaperWire, Wire
from toolkit.emulator.web_server.connections import Connection as OneConnection
from toolkit.emulator.web_server.connections import Connections
from toolkit.emulator.web_server.limits import Limits
from toolkit.emulator.web_server.strict_protocol import HSTS, StrictProtocol
from toolkit.model.errors import StorageError, UnreachableError, words_of

HTTPS_PORT = 443
_LIMITS = Limits()


class ConsoleFile:
    """The screen at the box, as a file that is blank at power-on."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise StorageError(
                "the console cannot be written",
                where=str(path),
                why=words_of(error),
                next_move="Choose a file in a folder that can be written.",
            ) from error

    def say(self, line: str) -> None:
        """Writes one line at once."""
        self._file.write(line + "\n")


class ApplianceServer(uvicorn.Server):
    """uvicorn's server, with listeners that come, go and change their certificates while it runs."""

    def __init__(
        self,
        config: uvicorn.Config,
        box: Box,
        listeners: Listeners,
        console: ConsoleFile,
        *,
        door: FrontDoor,
        ready: Callable[[], None] | None,
    ) -> None:
        super().__init__(config)
        self._door = door
        self._ready = ready
        self._box = box
        self._listeners = listeners
        self._all = Connections(_LIMITS)
        self._console = console
        self.told_by_signal = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Powers the box on."""
        await self.lifespan.startup()
        connections = cast("set[Connection]", self.server_state.connections)
        self.server_state.default_headers = list(self.config.encoded_headers)  # until the first tick adds the date
        self._listeners.attach(self._protocol, connections, self._all)
        self._box.power_on()
        await self._listeners.settle()
        loading = self._loading = asyncio.ensure_future(self._load())
        if self._ready is None:
            await loading
        self._console.say("ready")
        self.started = True

    async def _load(self) -> None:
        await self._door.load()
        if self._ready is not None:
            self._ready()
        # what was loaded stays: looking through it again would hold up a swing by milliseconds
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Lets the current answers out, then ends every connection."""
        self.servers = self._listeners.servers  # type: ignore[assignment]  # closed and waited for, as uvicorn's are
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """SIGTERM and SIGINT are the power button: a shut-down in good order, which ends with status 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._power_button)
        yield

    def _power_button(self) -> None:
        self.told_by_signal = True
        try:
            self._box.power.shut_down("power button")
        except Refusal:
            self.should_exit = True  # held down long enough, it works in any state

    def _protocol(self, connection: OneConnection) -> asyncio.Protocol:
        return StrictProtocol(
            self.config,
            self.server_state,
            # one of these for each connection: what is confirmed must come over one opened after the change
            {**self.lifespan.state, OPENED: connection.opened},
            self._all,
            connection,
        )


class PoweredBox:
    """A box and what it runs in. `again` is True when it is to be started anew, `told_by_signal` when that ended it."""

    def __init__(
        self, disk: Disk, console: ConsoleFile, loopback: Loopback | None, ready: Callable[[], None] | None
    ) -> None:
        self.again = False
        self._listeners = Listeners(HTTPS_PORT, loopback)
        self._wires = _wires(Identity.read(disk), self._listeners, paper=loopback is not None)
        self._box = Box(disk, self._wires, self._listeners, console, self._switch_off)
        door = FrontDoor(self._box)
        config = uvicorn.Config(
            door,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            headers=[HSTS],
            timeout_keep_alive=_LIMITS.keep_alive_seconds,
            timeout_graceful_shutdown=2,
        )
        self._server = ApplianceServer(config, self._box, self._listeners, console, door=door, ready=ready)

    def run(self) -> None:
        """Until it is switched off."""
        asyncio.run(self._server.serve())
        for wire in self._wires.values():
            wire.close()
        self._box.power_off()

    @property
    def told_by_signal(self) -> bool:
        """Whether whoever started the process ended it, and not somebody who uses the box."""
        return self._server.told_by_signal

    def _switch_off(self, again: bool) -> None:
        self.again = again
        self._server.should_exit = True


def run(
    disk_folder: Path,
    console_file: Path,
    loopback: Loopback | None,
    *,
    ready: Callable[[], None] | None = None,
    end: Callable[[bool], None] | None = None,
) -> None:
    """Powers the box on this disk on; returns when it is off. A reboot becomes the same process anew.

    With `ready` the box answers for its health as soon as its console says so, and `ready` is called once everything
    is loaded: a machine takes seconds for that. Without, the console says so when everything is loaded. `end` switches
    a machine off, or starts it again (True), when somebody asked the box for it.
    """
    disk = Disk(disk_folder, power_may_fail=end is not None)
    console = ConsoleFile(console_file)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    with disk.powered_on(), temporary_files_in_memory(disk_folder):
        try:
            powered = PoweredBox(disk, console, loopback, ready)
            powered.run()
        except OSError as error:
            raise UnreachableError(
                "the box cannot be powered on",
                where=str(disk_folder),
                why=words_of(error),
                next_move="Its interface must exist in this network namespace, with the right to change it; "
                "or use --bind 127.0.0.1:0, which changes no network.",
            ) from error
        console.say("rebooting" if powered.again else "off")
    if end is not None:
        if not powered.told_by_signal:
            end(powered.again)
    elif powered.again:
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 (the same command again, no shell)


def _wires(identity: Identity, listeners: Listeners, *, paper: bool) -> dict[str, Wire]:
    """The box's ports by name, the first one first."""
    if paper:
        return {port.name: PaperWire(port.name, port.mac) for port in identity.ports}
    return {port.name: KernelWire(port.name, port.mac, listeners.later) for port in identity.ports}
