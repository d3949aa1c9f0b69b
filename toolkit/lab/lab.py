"""A lab as its users hold it: brought up, looked at, entered, broken on purpose, and taken down."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from toolkit.images.build import build
from toolkit.images.cache import ImageCache
from toolkit.images.manifest import DISK, INITRD, KERNEL
from toolkit.images.recipe import RecipeFolder
from toolkit.lab import operator
from toolkit.lab.control import KEEP, LabControl, LabStatus, error_from
from toolkit.lab.description import LabDescription
from toolkit.lab.folder import LabFolder, storage_error
from toolkit.lab.handle import MachineHandle
from toolkit.lab.topology import Topology
from toolkit.lab.virtual_world import BootImage
from toolkit.model.errors import InputError, ReboxError, RefusedError, UnreachableError, words_of
from toolkit.model.execution import Progress

_ENTER = Path(__file__).with_name("enter.py")
_GRACE_SECONDS = 5.0
_KILL_SECONDS = 10.0


def _no_progress(_fraction: float, _phase: str) -> None:
    pass


class Lab:
    """A lab that is up. As a context manager it is taken down at the end."""

    def __init__(self, folder: LabFolder, description: LabDescription, *, was_up: bool) -> None:
        self.folder = folder
        self.description = description
        self.was_up = was_up
        """Whether it was there before it was asked for."""

    @classmethod
    def up(
        cls,
        topology: Topology,
        *,
        name: str | None = None,
        state: Path | None = None,
        progress: Progress = _no_progress,
    ) -> "Lab":
        """Builds the lab, unless one with the same topology is up under that name.

        What an interrupted build has left is cleared away first. `state` is the folder of all of rebox's state. Raises
        RefusedError when another topology is up there, or the machine allows no namespaces; ReboxError when building
        fails, and then nothing is left.
        """
        folder = LabFolder.of(name or topology.name, state)
        with folder.exclusively():
            if folder.supervisor() is not None:
                return cls._found(folder, topology)
            folder.clear()
            try:
                folder.lock.touch(mode=0o600)
                _build(folder, topology, progress)
                return cls(folder, _describe(folder), was_up=False)
            except OSError as error:
                _take_down(folder)
                raise storage_error(error, folder.path) from None
            except BaseException:
                _take_down(folder)
                raise

    @classmethod
    def _found(cls, folder: LabFolder, topology: Topology) -> "Lab":
        description = _describe(folder)
        if description.topology.model_copy(update={"name": topology.name}) != topology:
            raise RefusedError(
                f"lab {folder.name} is up already, with another topology",
                where=str(folder.path),
                next_move=f"Take it down first (rebox lab down --name {folder.name}), or give another --name.",
            )
        return cls(folder, description, was_up=True)

    @classmethod
    def find(cls, name: str, *, state: Path | None = None) -> "Lab":
        """The lab of that name; raises UnreachableError when it is not up."""
        folder = LabFolder.of(name, state)
        if folder.supervisor() is None:
            raise UnreachableError(
                f"lab {name} is not up", where=str(folder.path), next_move=f"Bring it up: rebox lab up --name {name}"
            )
        return cls(folder, _describe(folder), was_up=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def down(self) -> None:
        """Ends everything in the lab and takes its folder away; harmless when it is down."""
        take_down(self.folder)

    def control(self) -> LabControl:
        """A connection to its supervisor."""
        return LabControl.connect(self.folder.path)

    def status(self) -> LabStatus:
        """The machines as they are now."""
        with self.control() as control:
            return control.status()

    def power_on(self, machine: str) -> None:
        """Switches a machine on."""
        with self.control() as control:
            control.power_on(machine)

    def power_off(self, machine: str) -> None:
        """Lets a machine shut down, then takes its power."""
        with self.control() as control:
            control.power_off(machine)

    def kill(self, machine: str) -> None:
        """Pulls a machine's plug."""
        with self.control() as control:
            control.kill(machine)

    def link(self, machine: str, *, up: bool) -> None:
        """Pulls a machine's network cable, or puts it back."""
        with self.control() as control:
            control.link(machine, up=up)

    def snapshot(self, label: str) -> None:
        """Keeps the virtual machines' memory and disks, and the servers' files, under a label."""
        with self.control() as control:
            control.snapshot(label)

    def restore(self, label: str) -> None:
        """Has the lab as it was kept under that label; takes about a second."""
        with self.control() as control:
            control.restore(label)

    def plug_stick(self, host: str) -> None:
        """Moves the lab's stick to a box; it is pulled out elsewhere first."""
        with self.control() as control:
            control.plug_stick(host)

    def pull_stick(self) -> None:
        """Pulls the lab's stick out, whatever is going on."""
        with self.control() as control:
            control.pull_stick()

    def crash_hypervisor(self, *, host: bool = False) -> None:
        """Kills the libvirt daemon and starts it again; with `host`, every virtual machine loses its power, too."""
        with self.control() as control:
            control.crash_hypervisor(host=host)

    def machine(self, name: str) -> MachineHandle:
        """One machine, to be told what happens to it."""
        return MachineHandle(self, name)

    def command(self, machine: str, program: Sequence[str]) -> list[str]:
        """The command line that runs a program on a machine; it passes input, output, signals and status through."""
        if machine not in self.description.machines:
            known = ", ".join(self.description.machines)
            raise InputError(f"lab {self.folder.name} has no machine {machine!r}", next_move=f"It has: {known}.")
        return [sys.executable, "-I", "-S", str(_ENTER), str(self.folder.path), machine, *program]

    def run(
        self,
        machine: str,
        program: Sequence[str],
        *,
        standard_input: str | None = None,
        timeout: float | None = 60.0,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Runs a program on a machine to its end and returns its status and what it said."""
        return subprocess.run(
            self.command(machine, program),
            input=standard_input,
            stdin=subprocess.DEVNULL if standard_input is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=None if environment is None else {**os.environ, **environment},
            cwd=folder,
            check=False,
        )

    def popen(self, machine: str, program: Sequence[str], **options: Any) -> "subprocess.Popen[Any]":
        """Starts a program on a machine; `options` are those of subprocess.Popen. Killing it kills the program."""
        return subprocess.Popen(self.command(machine, program), **options)


def take_down(folder: LabFolder) -> None:
    """Ends the lab in a folder, whole, half-built or crashed, and takes the folder away; harmless when there is none.

    Raises RefusedError when the folder is no lab's, or somebody else's.
    """
    if not folder.path.exists():
        return
    if os.environ.get("REBOX_LAB") == str(folder.path):
        raise RefusedError(
            f"lab {folder.name} cannot be taken down from inside",
            why="this command would end before its work is done",
            next_move="Leave the lab's shell and try again.",
        )
    with folder.exclusively():
        _take_down(folder)


def _take_down(folder: LabFolder) -> None:
    supervisor = folder.supervisor()
    if supervisor == 0:
        raise RefusedError(
            f"lab {folder.name} is kept up by a process that cannot be seen from here",
            where=str(folder.path),
            why="it was built outside of this container or lab",
            next_move="Take it down where it was built.",
        )
    if supervisor is not None:
        _end(folder, supervisor)
    folder.remove()


def _end(folder: LabFolder, supervisor: int) -> None:
    """Ends process 1 of the lab and waits until the kernel has ended all the others."""
    try:
        handle = os.pidfd_open(supervisor)
    except ProcessLookupError:
        return
    try:
        # the number may have been given to another process in between
        if folder.supervisor() != supervisor:
            return
        for number, seconds in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
            if select.select([handle], [], [], seconds)[0]:
                return
    except PermissionError as error:
        raise RefusedError(
            f"lab {folder.name} belongs to somebody else",
            where=str(folder.path),
            why=words_of(error),
            next_move="Run the command as the user who built it.",
        ) from None
    finally:
        os.close(handle)
    # a container without a proper process 1 may keep zombies of ours, and the kernel then keeps the number
    if folder.supervisor() is not None:
        raise ReboxError(f"lab {folder.name} cannot be ended", where=f"process {supervisor}")


def _describe(folder: LabFolder) -> LabDescription:
    try:
        return LabDescription.model_validate_json(folder.description.read_bytes())
    except (OSError, ValueError):
        raise UnreachableError(
            f"lab {folder.name} is up, but what was built is not known",
            where=str(folder.description),
            next_move=f"Take it down and build it again: rebox lab down --name {folder.name}",
        ) from None


def _build(folder: LabFolder, topology: Topology, progress: Progress) -> None:
    operator.make_secrets(folder.operator)
    with (
        folder.supervisor_log.open("ab") as log,
        # leaving early closes its input, and that ends a lab that is not to be kept
        subprocess.Popen(
            [sys.executable, "-P", "-m", "toolkit.lab.supervisor", str(folder.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        ) as supervisor,
    ):
        assert supervisor.stdin  # noqa: S101  as asked for above
        assert supervisor.stdout  # noqa: S101  as asked for above
        image = _image(topology, progress) if topology.backend == "vm" else None
        order = {"topology": topology.model_dump(mode="json"), "image": image and image.model_dump(mode="json")}
        _say(supervisor.stdin, json.dumps(order))
        _listen(supervisor.stdout, progress)
        _say(supervisor.stdin, KEEP)


def _image(topology: Topology, progress: Progress) -> BootImage:
    """The image that boxes start from, built unless it is there: that takes minutes, and the network.

    Metal needs the installer as well; nobody in the lab could build it.
    """
    image = build(RecipeFolder("appliance"), ImageCache("appliance"), progress=progress)
    if any(box.kind == "physical" for box in topology.boxes.values()):
        build(RecipeFolder("installer"), ImageCache("installer"), progress=progress)
    return BootImage(
        disk=image.folder / DISK,
        kernel=image.folder / KERNEL,
        initrd=image.folder / INITRD,
        command_line=image.manifest.command_line,
    )


def _say(orders: IO[bytes], words: str) -> None:
    # a supervisor that has ended has said why
    with suppress(BrokenPipeError):
        orders.write(words.encode() + b"\n")
        orders.flush()


def _listen(news: IO[bytes], progress: Progress) -> None:
    """Returns when the supervisor says that the lab is ready; raises what it says instead."""
    for line in news:
        told = json.loads(line)
        if "error" in told:
            raise error_from(told)
        if "ready" in told:
            return
        progress(told["progress"], told["phase"])
    raise ReboxError("the lab could not be built", why="its supervisor ended without a word")
