"""A libvirtd of the test's own: the lab's without the lab, in namespaces, so that the machine is not touched.

Its guests end with it. A process of ours is the first one in there, so that guests outlive a daemon that is restarted.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libvirt

from toolkit.lab import hypervisor

BRIDGE = "br-test"
POOL = "default"
HOST_ADDRESS = "10.79.0.1"

# The first process of a process namespace has to reap what daemons leave, or libvirt waits 40 s for each child. A KVM
# that is not to be seen must not be writable either, or libvirt looks at QEMU anew each time.
_FIRST = """
set -eu
mount --make-rprivate /
[ "$2" = with-kvm ] || [ ! -e /dev/kvm ] || { mount --bind "$1/no-kvm" /dev/kvm; mount -o remount,bind,ro /dev/kvm; }
ip link set lo up
ip link add "$3" type bridge
ip addr add "$4/24" dev "$3"
ip link set "$3" up
echo ready >"$1/ready"
while :; do sleep 1000 & wait $!; done
"""


_RELAY = """
import os, socket, threading
peer = socket.socket(socket.AF_UNIX)
peer.connect(SOCKET)
def there():
    while piece := os.read(0, 65536):
        peer.sendall(piece)
    peer.shutdown(socket.SHUT_WR)
threading.Thread(target=there, daemon=True).start()
while piece := peer.recv(65536):
    os.write(1, piece)
"""


class PrivateLibvirt:
    """A running libvirtd; `uri` leads to it."""

    def __init__(self, folder: Path, first: "subprocess.Popen[bytes]") -> None:
        self.folder = folder
        self.log = folder / "libvirtd.log"
        self._first = _only_child(first.pid)
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"qemu:///system?socket={hypervisor.socket(self.folder)}"

    def remote_uri(self) -> str:
        """The same daemon as another host's behind ssh; a program that leads straight to it stands in for ssh."""
        ssh = self.folder / "ssh"
        ssh.write_text(f"#!{sys.executable}\nSOCKET = {str(hypervisor.socket(self.folder))!r}\n{_RELAY}")
        ssh.chmod(0o755)
        return f"qemu+ssh://root@host-2/system?command={ssh}&proxy=netcat"

    def start(self) -> None:
        """Starts the daemon and waits until it answers."""
        with self.log.open("ab") as log:
            self._daemon = subprocess.Popen(
                [*_enter(self._first), *hypervisor.command(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                libvirt.open(self.uri).close()
            except libvirt.libvirtError:
                assert self._daemon.poll() is None, self.log.read_text()[-2000:]
                assert time.monotonic() < deadline, self.log.read_text()[-2000:]
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Ends the daemon at once, as a crash does; guests go on."""
        assert self._daemon is not None
        self.run("kill", "-KILL", (self.folder / "run" / "libvirtd.pid").read_text().strip())
        self._daemon.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """While the block runs the daemon neither answers nor ends its connections, as if its host had crashed."""
        assert self._daemon is not None
        self.run("kill", "-STOP", (self.folder / "run" / "libvirtd.pid").read_text().strip())
        try:
            yield
        finally:
            # nsenter stops with its child, and wakes it when it is woken itself
            self._daemon.send_signal(signal.SIGCONT)

    def run(self, *command: str | Path) -> str:
        """What a command writes that sees the files, the network and the processes that the daemon sees."""
        assert self._daemon is not None
        words = [*_enter(_only_child(self._daemon.pid)), *command]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def wait(self) -> None:
        """Returns when it has ended, as it does with its namespaces."""
        if self._daemon is not None:
            self._daemon.wait()

    def virsh(self, *words: str) -> str:
        return subprocess.run(
            ["virsh", "-q", "-c", self.uri, *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    def domains(self) -> list[str]:
        """The names of all virtual machines, running or not."""
        return sorted(self.virsh("list", "--all", "--name").split())

    def volumes(self, pool: str = POOL) -> list[str]:
        """The names of all volumes, with what the folder holds and libvirt has not noticed yet."""
        return sorted(path.name for path in (self.folder / "pools" / pool).iterdir())

    def make_pool(self, name: str, folder: Path | None = None) -> Path:
        """Makes a storage pool there, and returns its folder."""
        path = folder or self.folder / "pools" / name
        path.mkdir(parents=True, exist_ok=True)
        self.virsh("pool-define-as", name, "dir", "--target", str(path))
        self.virsh("pool-start", name)
        self.virsh("pool-autostart", name)
        return path


def _only_child(process: int) -> str:
    (child,) = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return child


def _enter(process: str) -> list[str]:
    user = [] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]
    return ["nsenter", "-t", process, *user, "-m", "-n", "-p", "--"]


@contextmanager
def private_libvirt(*, with_kvm: bool = False) -> Iterator[PrivateLibvirt]:
    """A libvirtd with an empty pool and a bridge; without KVM unless it is asked for (it may hang)."""
    # short: the address of a socket holds no more than 107 bytes
    folder = Path(tempfile.mkdtemp(prefix="rebox-vm-"))
    hypervisor.lay(folder)
    with (folder / "etc" / "libvirtd.conf").open("a") as settings:
        # otherwise, where the machine tells none, it is another one at each start
        settings.write('host_uuid = "4e9c1f3a-7a4e-4b8e-9d5d-0c1f6ab0cd01"\n')
    (folder / "no-kvm").touch()
    (folder / "first").write_text(_FIRST)
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    first = subprocess.Popen(
        ["unshare", *user, "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
         "sh", folder / "first", folder, "with-kvm" if with_kvm else "without-kvm", BRIDGE, HOST_ADDRESS],
    )  # fmt: skip
    daemon = None
    try:
        deadline = time.monotonic() + 20
        while not (folder / "ready").exists():
            assert first.poll() is None, "the namespaces could not be made"
            assert time.monotonic() < deadline, "the namespaces were not made in time"
            time.sleep(0.02)
        daemon = PrivateLibvirt(folder, first)
        daemon.start()
        daemon.make_pool(POOL)
        yield daemon
    finally:
        first.kill()
        first.wait()
        if daemon is not None:
            daemon.wait()
        shutil.rmtree(folder)
