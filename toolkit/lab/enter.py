"""Becomes a program inside a machine of a running lab: `python -I -S enter.py LAB-FOLDER MACHINE PROGRAM...`.

A script of its own that needs the standard library only, because it is started for every single command. It asks the
supervisor for the machine's namespaces (as open descriptors: no process number can be stale), moves into them, starts
the program as a child, hands signals on to it, and ends as the child ends. When this script is killed, so is the child.
"""

import ctypes
import errno
import json
import os
import resource
import signal
import socket
import sys
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_SENT_BY_THE_KERNEL = 0x80
"""SI_KERNEL: the terminal sent it (Ctrl-C), and sent it to the child as well."""

_HANDED_ON = frozenset(signal.valid_signals()) - {
    signal.SIGKILL,
    signal.SIGSTOP,
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGTTIN,
    signal.SIGTTOU,
}

_KINDS = ("user", "uts", "net", "pid", "mnt")

_libc = ctypes.CDLL(None, use_errno=True)


def _end(words: str, status: int) -> NoReturn:
    sys.stderr.write(f"rebox lab: {words}\n")
    sys.exit(status)


def _namespaces(folder: str, machine: str) -> list[int]:
    """Descriptors in the order in which they must be entered: user, host name, network, processes, mounts."""
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(f"/proc/self/fd/{place}/control.sock")
        connection.sendall(json.dumps({"do": "enter", "machine": machine}).encode() + b"\n")
        answer, descriptors, *_ = socket.recv_fds(connection, 65536, 16)
    os.close(place)
    told = json.loads(answer or b'{"what": "the lab has gone"}')
    if not descriptors:
        _end(f"{told['what']}. {told.get('next_move', '')}", 2)
    return list(descriptors)


def _enter(descriptors: list[int]) -> None:
    folder = os.open(".", os.O_PATH | os.O_DIRECTORY)
    path = os.getcwd()  # noqa: PTH109  pathlib takes longer to load than all the rest
    here = {_identity(os.stat(f"/proc/self/ns/{kind}")) for kind in _KINDS}  # noqa: PTH116  as above
    for descriptor in descriptors:
        # the kernel refuses to enter a user namespace twice: a command inside the lab may enter another machine
        if _identity(os.fstat(descriptor)) not in here and _libc.setns(descriptor, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        os.close(descriptor)
    if os.geteuid() != 0:
        # root has entered the lab of an ordinary user, and is that user from here on
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    try:
        os.chdir(path)
    except OSError:
        os.fchdir(folder)
    os.close(folder)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _has_terminal() -> bool:
    """Whether somebody types at this very command."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _give_terminal(group: int) -> None:
    try:
        os.tcsetpgrp(0, group)
    except OSError:
        return  # it has been closed: nobody is there to be given it


def _become(program: list[str], before: set[int | signal.Signals], caller: int, *, typed_at: bool) -> NoReturn:
    """In the child: turns into the program."""
    try:
        if typed_at:
            # a shell needs a process group that it can see, and ours is outside of its PID namespace
            os.setpgid(0, 0)
            os.tcsetpgrp(0, os.getpgrp())
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # seen from inside the lab a living parent outside has the number 0, and one that died is process 1
        if os.getppid() not in {0, caller}:
            os._exit(128 + signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvp(program[0], program)  # noqa: S606  a shell would be one process more between
    except OSError as error:
        sys.stderr.write(f"rebox lab: {program[0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(127 if error.errno == errno.ENOENT else 126)


def _follow(child: int, *, typed_at: bool) -> int:
    """Hands signals on until the child has ended; returns its wait status."""
    while True:
        news = signal.sigwaitinfo(_HANDED_ON)
        if news.si_signo != signal.SIGCHLD:
            if news.si_code != _SENT_BY_THE_KERNEL:
                os.kill(child, news.si_signo)
            continue
        ended, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if not ended:
            continue
        if typed_at:
            _give_terminal(os.getpgrp())
        if not os.WIFSTOPPED(status):
            return status
        os.kill(os.getpid(), signal.SIGSTOP)  # so that the caller's shell sees the job stopped
        if typed_at and _has_terminal():
            _give_terminal(child)
        (os.killpg if typed_at else os.kill)(child, signal.SIGCONT)


def main() -> NoReturn:
    """Runs the program named on the command line inside the machine."""
    folder, machine, *program = sys.argv[1:]
    try:
        descriptors = _namespaces(folder, machine)
    except OSError as error:
        _end(f"the lab in {folder} is not up: {error.strerror}", 1)
    try:
        _enter(descriptors)
    except OSError as error:
        _end(f"{machine} cannot be entered: {error.strerror}", 1)
    os.environ["REBOX_LAB"], os.environ["REBOX_LAB_MACHINE"] = folder, machine
    typed_at = _has_terminal()
    # without SIGTTOU the terminal can be taken back from the child
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANDED_ON | {signal.SIGTTOU})
    caller = os.getpid()
    child = os.fork()
    if child == 0:
        _become(program, before, caller, typed_at=typed_at)
    _end_likewise(os.waitstatus_to_exitcode(_follow(child, typed_at=typed_at)), before)


def _end_likewise(status: int, before: set[int | signal.Signals]) -> NoReturn:
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the child has dumped its own, if any
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.kill(os.getpid(), -status)
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
