"""Programs inside the lab: started in a machine's namespaces, their words kept in a file of bounded size, reaped."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.lab.namespaces import HostNamespaces
from toolkit.model.errors import ReboxError, words_of

LOG_BYTES_MAX = 1_000_000
"""A log is kept in two files of at most this size: what was said last, and what was said before."""


class CappedLog:
    """Where a program's words go; the oldest are dropped."""

    def __init__(self, path: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
        self._path = path
        self._bytes_max = bytes_max

    def write(self, words: bytes) -> None:
        """Appends; a full disk loses words, never the lab."""
        try:
            if self._path.exists() and self._path.stat().st_size + len(words) > self._bytes_max:
                self._path.replace(self._path.with_suffix(self._path.suffix + ".1"))
            with self._path.open("ab") as file:
                file.write(words[-self._bytes_max :])
        except OSError:
            return


@dataclass(frozen=True)
class Command:
    """What to start: arguments, environment, folder, and where its words go (None: nowhere)."""

    arguments: Sequence[str]
    folder: Path
    log: Path | None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """A running program. `process_id` is the lab's own number for it, `machine_process_id` the machine's."""

    process_id: int
    machine_process_id: int
    ended: "asyncio.Future[int]"
    """Its exit status; minus the signal's number when a signal ended it."""
    silent: "asyncio.Future[None]"
    """Done once nobody holds its output any more."""

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to it and to all it started, unless it has ended."""
        if not self.ended.done():
            os.killpg(self.process_id, number)


class Programs:
    """All programs of the lab; made in process 1, which inherits every orphan and reaps it."""

    def __init__(self, machine_proc: int) -> None:
        """`machine_proc` is a descriptor of the machine's own /proc, by which process numbers are translated."""
        self._machine_proc = machine_proc
        self._running: dict[int, Program] = {}
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)

    def start(
        self,
        command: Command,
        namespaces: HostNamespaces | None,
        hear: Callable[[bytes], object] | None = None,
    ) -> Program:
        """Starts a program, in a machine's namespaces or in the supervisor's; raises ReboxError when it cannot be.

        Its words go to its log, or to `hear`.
        """
        output, their_output = os.pipe()
        news, their_news = os.pipe()
        process_id = os.fork()
        if process_id == 0:
            self._become(command, namespaces, their_output, their_news)
        os.close(their_output)
        os.close(their_news)
        with os.fdopen(news, "rb") as stream:
            number, _, failure = stream.read().partition(b" ")
        loop = asyncio.get_running_loop()
        program = Program(process_id, int(number or 0), loop.create_future(), loop.create_future())
        self._running[process_id] = program
        if hear is None:
            hear = CappedLog(command.log).write if command.log else lambda _: None
        self._hear(output, hear, program.silent)
        if failure:
            raise ReboxError(f"{command.arguments[0]} cannot be started in the lab", why=failure.decode())
        return program

    async def ask(self, command: Command) -> tuple[int, str]:
        """Runs a program to its end in the supervisor's namespaces; its exit status, and all it said.

        asyncio's own subprocesses do not work here: process 1 reaps every child before they can.
        """
        words: list[bytes] = []
        program = self.start(command, None, words.append)
        status = await program.ended
        await program.silent
        return status, b"".join(words).decode(errors="replace").strip()

    def _become(self, command: Command, namespaces: HostNamespaces | None, output: int, news: int) -> None:
        """In the child: turns into the program; never returns."""
        try:
            os.setsid()
            os.write(news, os.readlink("self", dir_fd=self._machine_proc).encode() + b" ")
            if namespaces is not None:
                namespaces.enter()
            os.chdir(command.folder)
            nothing = os.open("/dev/null", os.O_RDONLY)
            for descriptor, place in ((nothing, 0), (output, 1), (output, 2)):
                os.dup2(descriptor, place)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.execvpe(command.arguments[0], list(command.arguments), dict(command.environment))  # noqa: S606
        except BaseException as error:  # whatever it is, this copy of the supervisor must end here
            os.write(news, words_of(error).encode())
        finally:
            os._exit(127)

    def _hear(self, output: int, hear: Callable[[bytes], object], silent: "asyncio.Future[None]") -> None:
        os.set_blocking(output, False)
        loop = asyncio.get_running_loop()

        def read() -> None:
            words = os.read(output, 65536)
            if words:
                hear(words)
                return
            loop.remove_reader(output)
            os.close(output)
            silent.set_result(None)

        loop.add_reader(output, read)

    def _reap(self) -> None:
        while True:
            try:
                process_id, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if process_id == 0:
                return
            program = self._running.pop(process_id, None)
            if program is not None:
                program.ended.set_result(os.waitstatus_to_exitcode(status))
