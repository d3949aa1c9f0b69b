"""Process 1 of a lab: builds the world, keeps it, answers on the control socket; with it everything goes.

Started by `toolkit.lab.lab` with the topology as the first line on its standard input; it tells its progress as JSON
lines on its standard output. Until it is told "keep", the end of its input (whoever started it is gone) is its own end.
"""

import asyncio
import errno
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from toolkit.lab import namespaces
from toolkit.lab.builder import Machines, build
from toolkit.lab.control import KEEP
from toolkit.lab.control_server import ControlServer, Order
from toolkit.lab.folder import LabFolder, storage_error
from toolkit.lab.programs import Programs
from toolkit.lab.snapshots import Snapshots
from toolkit.lab.sticks import Stick
from toolkit.lab.topology import Topology
from toolkit.lab.virtual_world import BootImage
from toolkit.lab.world import World
from toolkit.model.errors import ReboxError, words_of


def tell(**words: Any) -> None:
    """One line of JSON to whoever started the lab."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def leave() -> NoReturn:
    """Ends process 1: the kernel ends every other process of the lab, and with the last one all namespaces go."""
    os._exit(0)


async def _supervise(world: World, machine_proc: int) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, leave)
    keep: asyncio.Future[None] = loop.create_future()
    os.set_blocking(sys.stdin.fileno(), False)
    loop.add_reader(sys.stdin.fileno(), _listen_to_starter, keep)
    programs = Programs(machine_proc)
    machines = await build(world, programs, lambda done, phase: tell(progress=done, phase=phase))
    server = ControlServer(world.folder, machines, _orders(world, machines, programs), leave)
    tell(ready=True)
    await keep
    # nobody reads the other ends any more
    nothing = os.open("/dev/null", os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    await server.serve()


def _orders(world: World, machines: Machines, programs: Programs) -> dict[str, Order]:
    orders: dict[str, Order] = {}
    if world.topology.carry == "media":
        stick = Stick(world.folder, world.topology, world.virtual.virsh if world.virtual else None)
        orders |= {"plug-stick": stick.plug, "pull-stick": lambda _: stick.pull()}
    if world.virtual is None:
        return orders
    virtual, snapshots = world.virtual, Snapshots(world.folder, machines, world.virtual.virsh, programs)
    return orders | {
        "snapshot": snapshots.take,
        "restore": snapshots.restore,
        "crash-hypervisor": lambda _: virtual.crash_daemon(),
        "crash-hypervisor-host": lambda _: virtual.crash_host(),
    }


def _listen_to_starter(keep: "asyncio.Future[None]") -> None:
    words = os.read(sys.stdin.fileno(), 4096)
    if KEEP.encode() not in words:
        leave()
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    keep.set_result(None)


def _run(folder: LabFolder, order: dict[str, Any]) -> None:
    user_namespace = namespaces.leave_the_machine()
    if os.fork():
        os._exit(0)
    folder.hold()
    if select.select([sys.stdin], [], [], 0)[0]:
        leave()  # whoever started the lab has given up, and the folder may be another lab's by now
    machine_proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    # the machine's own number of this process: its /proc knows it until ours is mounted over it
    number = int(os.readlink("self", dir_fd=machine_proc))
    namespaces.own_the_mounts()
    namespaces.mount_own_proc()
    world = World(
        folder,
        Topology.model_validate(order["topology"]),
        dict(os.environ),
        user_namespace=user_namespace,
        supervisor=number,
        image=BootImage.model_validate(order["image"]) if order["image"] else None,
    )
    asyncio.run(_supervise(world, machine_proc))


def _in_words(error: BaseException, folder: LabFolder) -> ReboxError:
    if isinstance(error, ReboxError):
        return error
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return storage_error(error, folder.path)
    traceback.print_exc()
    why = f"{type(error).__name__}: {words_of(error)}"
    return ReboxError("the lab could not be built", where=str(folder.path), why=why)


def main() -> NoReturn:
    """Runs a lab until it is ended."""
    folder = LabFolder(Path(sys.argv[1]))
    os.umask(0o077)
    try:
        _run(folder, json.loads(sys.stdin.readline()))
    except BaseException as error:  # the last place that can say why the lab has failed
        tell(**_in_words(error, folder).as_json())
    os._exit(1)


if __name__ == "__main__":
    main()
