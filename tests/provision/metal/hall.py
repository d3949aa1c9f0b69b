"""A machine hall of its own: libvirtd and sushy-emulator in namespaces that die with the test, and a bridge to them.

Only this process's end of a cable leads there: 10.78.S.2 here, 10.78.S.1 the hall (and its BMC).
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import bcrypt
import libvirt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "operator", "calvin and hobbes"
EMULATOR = Path(sys.executable).parent / "sushy-emulator"

_START = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
for folder in /var/lib/libvirt /etc/libvirt /var/log/libvirt /var/cache/libvirt; do
  mkdir -p $folder; mount -t tmpfs tmpfs $folder
done
mkdir -p /run/libvirt; mount --bind "$1/run" /run/libvirt
# libvirt looks its usual user up before it reads that it shall take another
{ cat /etc/passwd; echo libvirt-qemu:x:64055:64055::/:/bin/false; } > "$1/passwd"
{ cat /etc/group; echo libvirt-qemu:x:64055:; } > "$1/group"
mount --bind "$1/passwd" /etc/passwd; mount --bind "$1/group" /etc/group
cat > /etc/libvirt/qemu.conf <<'END'
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
remember_owner = 0
stdio_handler = "file"
END
printf 'auth_unix_rw = "none"\nlog_outputs = "3:file:%s/libvirtd.log"\n' "$1" > /etc/libvirt/libvirtd.conf
ip link set lo up
ip link add br0 type bridge
ip link set br0 up
ip address add "$2" dev br0
touch "$1/ready"
libvirtd &
while ! [ -S /run/libvirt/libvirt-sock ]; do sleep 0.1; done
"$3" --config "$1/emulator.conf" > "$1/emulator.log" 2>&1 &
wait
"""


@dataclass
class Hall:
    """What stands there; `url` is the BMC's."""

    folder: Path
    uri: str
    here: str
    address: str
    port: int
    tls_sha256: str
    connection: Any

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"

    @property
    def emulator_log(self) -> str:
        return (self.folder / "emulator.log").read_text(errors="replace")


@contextmanager
def hall() -> Iterator[Hall]:
    """Needs root; everything in it is killed with it, and it with us."""
    # others may test on this machine at the same time
    number = os.getpid() % 200 + 20
    folder = Path(mkdtemp(prefix="rbx", dir="/tmp"))
    here, there, port = f"10.78.{number}.2", f"10.78.{number}.1", 8443
    (folder / "run").mkdir()
    (folder / "pool").mkdir()
    fingerprint = certificate(folder, there)
    digest = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (folder / "auth").write_text(f"{USER}:{digest}\n")
    configure(folder, there, port)
    cable = f"rbx{os.getpid() % 100000}"
    holder = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL",
         "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", _START, "sh",
         str(folder), f"{there}/24", str(EMULATOR)],
    )  # fmt: skip
    try:
        wait((folder / "ready").exists, 10, lambda: "the hall is not there")
        inside = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0]
        run("ip", "link", "add", cable, "type", "veth", "peer", "name", "up0", "netns", inside)
        run("nsenter", "-t", inside, "-n", "ip", "link", "set", "up0", "master", "br0", "up")
        run("ip", "address", "add", f"{here}/24", "dev", cable)
        run("ip", "link", "set", cable, "up")
        uri = f"qemu:///system?socket={folder}/run/libvirt-sock"
        wait((folder / "run/libvirt-sock").exists, 20, lambda: log(folder))
        connection = libvirt.open(uri)
        pool = connection.storagePoolDefineXML(
            f"<pool type='dir'><name>default</name><target><path>{folder}/pool</path></target></pool>"
        )
        pool.create()
        wait(lambda: "Running on" in log(folder), 20, lambda: log(folder))
        yield Hall(folder, uri, here, there, port, fingerprint, connection)
        connection.close()
    finally:
        holder.kill()
        holder.wait()
        # the cable goes with the namespace, when its last process has ended
        subprocess.run(["ip", "link", "delete", cable], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def configure(folder: Path, address: str, port: int) -> None:
    settings = {
        "SUSHY_EMULATOR_LISTEN_IP": address,
        "SUSHY_EMULATOR_LISTEN_PORT": port,
        "SUSHY_EMULATOR_SSL_CERT": f"{folder}/bmc.pem",
        "SUSHY_EMULATOR_SSL_KEY": f"{folder}/bmc.key",
        "SUSHY_EMULATOR_AUTH_FILE": f"{folder}/auth",
        "SUSHY_EMULATOR_STATE_DIR": str(folder),
        "SUSHY_EMULATOR_LIBVIRT_URI": "qemu:///system",
        "SUSHY_EMULATOR_BOOT_LOADER_MAP": {
            "UEFI": {"x86_64": "/usr/share/OVMF/OVMF_CODE_4M.fd"},
            "Legacy": {"x86_64": None},
        },
    }
    (folder / "emulator.conf").write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))


def certificate(folder: Path, address: str) -> str:
    """The BMC's own, as they come from the factory: signed by itself. Returns its fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bmc")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "bmc.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "bmc.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return sha256(made.public_bytes(serialization.Encoding.DER)).hexdigest()


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def log(folder: Path) -> str:
    return "".join(
        path.read_text(errors="replace") for path in (folder / "emulator.log", folder / "libvirtd.log") if path.exists()
    )


def wait(check: Any, seconds: float, told: Any) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)
