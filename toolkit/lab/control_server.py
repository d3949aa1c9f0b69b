"""The supervisor's side of the control socket."""

import asyncio
import contextlib
import json
import os
import socket
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

from toolkit.lab.control import LAB_ORDERS, STICK_ORDERS, LabStatus, socket_address
from toolkit.lab.folder import LabFolder
from toolkit.lab.machine import ACTIONS, Machine, Switchable
from toolkit.model.errors import InputError, ReboxError, RefusedError, words_of

Order = Callable[[str], Awaitable[None]]
"""Something that is done to the whole lab; it is given a label."""

_WATCH_SECONDS = 1.0
_LINE_BYTES_MAX = 65536


class ControlServer:
    """Answers on the socket in the lab's folder, and ends the lab when that folder is gone."""

    def __init__(
        self,
        folder: LabFolder,
        machines: Mapping[str, Switchable],
        orders: Mapping[str, Order],
        leave: Callable[[], NoReturn],
    ) -> None:
        """`orders` is what can be asked of the lab as a whole."""
        self._folder = folder
        self._orders = orders
        # one after the other: each touches every machine
        self._ordering = asyncio.Lock()
        self._machines = machines
        self._leave = leave
        # every machine lies in the same user and PID namespace as this process
        self._shared = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in ("user", "pid")]
        self._listener = self._listen()

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        place = os.open(self._folder.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        listener.bind(socket_address(place))
        os.close(place)
        listener.listen(64)
        listener.setblocking(False)
        return listener

    async def serve(self) -> NoReturn:
        """Answers until the lab ends."""
        loop = asyncio.get_running_loop()
        watching = asyncio.create_task(self._watch_folder())
        conversations: set[asyncio.Task[None]] = {watching}
        while True:
            connection, _ = await loop.sock_accept(self._listener)
            conversation = asyncio.create_task(self._converse(connection))
            conversations.add(conversation)
            conversation.add_done_callback(conversations.discard)

    async def _watch_folder(self) -> None:
        # a lab whose folder was deleted could never be found again
        while self._folder.control.exists():
            await asyncio.sleep(_WATCH_SECONDS)
        self._leave()

    async def _converse(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        rest = b""
        with connection:
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                while received := await loop.sock_recv(connection, _LINE_BYTES_MAX):
                    *lines, rest = (rest + received).split(b"\n")
                    for line in lines:
                        await self._answer(connection, line)
                    if len(rest) > _LINE_BYTES_MAX:
                        return

    async def _answer(self, connection: socket.socket, line: bytes) -> None:
        descriptors: list[int] = []
        try:
            answer, descriptors = await self._do(line)
        except ReboxError as error:
            answer = error.as_json()
        except Exception as error:  # one failed request must not end the lab
            traceback.print_exc()
            answer = ReboxError(
                "the lab could not do that", why=words_of(error), next_move=f"See {self._folder.supervisor_log}."
            ).as_json()
        words = json.dumps(answer).encode() + b"\n"
        if descriptors:
            socket.send_fds(connection, [words], descriptors)
        else:
            await asyncio.get_running_loop().sock_sendall(connection, words)

    async def _do(self, line: bytes) -> tuple[dict[str, Any], list[int]]:
        try:
            request = json.loads(line)
            what, name = str(request["do"]), str(request.get("machine"))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise InputError("the lab was asked something that is not a request") from None
        if what == "status":
            machines = {name: await machine.status() for name, machine in self._machines.items()}
            return LabStatus(name=self._folder.name, machines=machines).model_dump(mode="json"), []
        if what in LAB_ORDERS or what in STICK_ORDERS:
            await self._order(what, str(request.get("label")))
            return {}, []
        if name not in self._machines:
            raise InputError(
                f"lab {self._folder.name} has no machine {name!r}", next_move=f"It has: {', '.join(self._machines)}."
            )
        machine = self._machines[name]
        if what == "enter":
            return {}, self._doors(name, machine)
        if what not in ACTIONS:
            raise InputError(f"the lab does not know how to {what!r}")
        await ACTIONS[what](machine)
        return (await machine.status()).model_dump(mode="json"), []

    async def _order(self, what: str, label: str) -> None:
        if what not in self._orders and what in STICK_ORDERS:
            raise RefusedError(
                f"lab {self._folder.name} has no stick", next_move='Build it from a topology with carry = "media".'
            )
        if what not in self._orders:
            raise RefusedError(
                f"lab {self._folder.name} cannot do {what!r}",
                why="its boxes are programs; only virtual machines have memory and disks of their own to be kept",
                next_move='Build it from a topology with backend = "vm".',
            )
        async with self._ordering:
            await self._orders[what](label)

    def _doors(self, name: str, machine: Switchable) -> list[int]:
        """In the order in which they must be entered."""
        if not isinstance(machine, Machine):
            raise RefusedError(
                f"{name} cannot be entered: it is a virtual machine",
                where=f"lab {self._folder.name}",
                next_move=f"Read its console ({self._folder.console(name)}), or ask it from the operator's host.",
            )
        user, processes = self._shared
        inside = machine.namespaces
        return [user, inside.names, inside.network, processes, inside.mounts]
