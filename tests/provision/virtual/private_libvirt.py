"""A libvirtd of the test's own, in namespaces of its own (mounts, network, processes): the machine is not touched.

Its guests end with it. A process of ours is the first one in there, so that guests outlive a daemon that is restarted.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libvirt

BRIDGE = "br-test"
POOL = "default"
HOST_ADDRESS = "10.79.0.1"

_QEMU_CONF = """
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
stdio_handler = "file"
"""
_LIBVIRTD_CONF = """
unix_sock_dir = "{sockets}"
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "4e9c1f3a-7a4e-4b8e-9d5d-0c1f6ab0cd01"
log_outputs = "3:file:{log}"
"""
# the first process of the namespace has to reap what daemons leave, or libvirt waits 40 s for each of its children
_FIRST = """
set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
for name in etc lib cache; do
  case $name in etc) place=/etc/libvirt ;; lib) place=/var/lib/libvirt ;; cache) place=/var/cache/libvirt ;; esac
  mount --bind "$1/$name" "$place"
done
for name in passwd group; do mount --bind "$1/$name" "/etc/$name"; done
[ "$2" = with-kvm ] || [ ! -e /dev/kvm ] || mount --bind "$1/no-kvm" /dev/kvm
ip link set lo up
ip link add {bridge} type bridge
ip addr add {address}/24 dev {bridge}
ip link set {bridge} up
echo ready >"$1/ready"
while :; do sleep 1000 & wait $!; done
"""


class PrivateLibvirt:
    """A running libvirtd; `uri` leads to it."""

    def __init__(self, folder: Path, first: "subprocess.Popen[bytes]") -> None:
        self.folder = folder
        self._first = first
        self._inside = _child(first.pid)
        self.log = folder / "libvirtd.log"

    @property
    def uri(self) -> str:
        return f"qemu:///system?socket={self.folder}/run/libvirt-sock"

    def start(self) -> None:
        """Starts the daemon and waits until it answers."""
        subprocess.run(
            [*self.enter(), "libvirtd", "-d", "-f", self.folder / "libvirtd.conf", "-p", self.folder / "run" / "pid"],
            check=True,
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                libvirt.open(self.uri).close()
            except libvirt.libvirtError:
                assert time.monotonic() < deadline, self.log.read_text()[-2000:]
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """Ends the daemon at once, as a crash does; guests go on."""
        pid = (self.folder / "run" / "pid").read_text().strip()
        subprocess.run([*self.enter(), "kill", "-KILL", pid], check=True)
        (self.folder / "run" / "pid").unlink()

    def enter(self) -> list[str]:
        """What has to precede a command that is to run in there."""
        return ["nsenter", "-t", str(self._inside), "-m", "-n", "-p", "--"]

    def run(self, *command: str | Path) -> str:
        """What a command in there writes."""
        return subprocess.run([*self.enter(), *command], check=True, capture_output=True, text=True).stdout

    def virsh(self, *words: str) -> str:
        return subprocess.run(
            ["virsh", "-q", "-c", self.uri, *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    def pool(self, name: str = POOL) -> Path:
        """Makes a storage pool there, and returns its folder."""
        path = self.folder / "pools" / name
        path.mkdir(parents=True)
        self.virsh("pool-define-as", name, "dir", "--target", str(path))
        self.virsh("pool-start", name)
        self.virsh("pool-autostart", name)
        return path


@contextmanager
def private_libvirt(folder: Path, *, with_kvm: bool = False) -> Iterator[PrivateLibvirt]:
    """A libvirtd with an empty pool and a bridge; without KVM unless it is asked for (it may hang)."""
    for name in ("etc", "lib", "cache", "run"):
        (folder / name).mkdir()
    for place in ("/etc/libvirt", "/var/lib/libvirt", "/var/cache/libvirt"):
        Path(place).mkdir(parents=True, exist_ok=True)
    (folder / "no-kvm").touch()
    # libvirt looks for its usual user before it reads that it is to run guests as another
    for name, line in (("passwd", "libvirt-qemu:x:64055:64055::/:/bin/false\n"), ("group", "libvirt-qemu:x:64055:\n")):
        (folder / name).write_text(Path("/etc", name).read_text() + line)
    (folder / "etc" / "qemu.conf").write_text(_QEMU_CONF)
    (folder / "libvirtd.conf").write_text(_LIBVIRTD_CONF.format(sockets=folder / "run", log=folder / "libvirtd.log"))
    script = folder / "first"
    script.write_text(_FIRST.replace("{bridge}", BRIDGE).replace("{address}", HOST_ADDRESS))
    first = subprocess.Popen(
        ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
         "sh", script, folder, "with-kvm" if with_kvm else "without-kvm"],
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while not (folder / "ready").exists():
            assert first.poll() is None, "the namespaces could not be made"
            assert time.monotonic() < deadline, "the namespaces were not made in time"
            time.sleep(0.02)
        daemon = PrivateLibvirt(folder, first)
        daemon.start()
        daemon.pool()
        yield daemon
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
        shutil.rmtree(folder / "pools", ignore_errors=True)


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def can_run() -> str:
    """Why there can be no libvirtd of our own here; empty when there can."""
    if os.geteuid() != 0:
        return "only root can make the namespaces it runs in"
    missing = [name for name in ("libvirtd", "qemu-system-x86_64", "qemu-img", "virsh") if not shutil.which(name)]
    return f"not installed (make setup-vm): {', '.join(missing)}" if missing else ""
