"""Machines from nothing: power-on to the first HTTPS answer beside cloud-init on the same Debian, coming back to a kept
moment, and building an image beside mkosi. All under software emulation, each machine alone.
"""

import json
import os
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue

from benchmarks.arena import Arena, Host, Row, judged, not_measured
from toolkit.appliances.first_password import password_hash
from toolkit.images.build import Image, build
from toolkit.images.cache import ImageCache
from toolkit.images.manifest import DISK, INITRD, KERNEL
from toolkit.images.programs import Workshop
from toolkit.images.recipe import RecipeFolder
from toolkit.images.seed import write_seed
from toolkit.lab.lab import Lab
from toolkit.lab.topology import load_topology

ROUNDS = 3
COLD, RESTORED = 3.5, 32.0
"""The goals of 9 s and 1 s, on a machine where the peer takes 32 s; how fast one emulates another differs threefold."""
TOPOLOGY = Path(__file__).parents[1] / "fixtures" / "labs" / "migration-vm-to-metal.toml"
_SECONDS_MAX = 300.0
_PATIENCE_SECONDS = 0.1  # a kernel that is up answers a SYN within a millisecond; its retries would come at 1, 3, 7 s
_PORT, _MAC, _ADDRESS, _CLIENT = "machine0", "52:54:00:77:00:01", "198.51.100.15", "198.51.100.1/24"
_NOTE = "QEMU, software emulation, 2 virtual processors, the same kernel handed to it; a fresh disk every time"

# what people put on a cloud image to have a page served: a key of the machine's own, and a service
_USER_DATA = """\
#cloud-config
write_files:
  - path: /opt/serve.py
    content: |
      import http.server, ssl
      server = http.server.HTTPServer(("", 443), http.server.SimpleHTTPRequestHandler)
      context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
      context.load_cert_chain("/opt/certificate.pem", "/opt/key.pem")
      server.socket = context.wrap_socket(server.socket, server_side=True)
      server.serve_forever()
runcmd:
  - [openssl, req, -x509, -newkey, ec, -pkeyopt, "ec_paramgen_curve:prime256v1", -nodes, -subj, /CN=box,
     -keyout, /opt/key.pem, -out, /opt/certificate.pem]
  - [systemd-run, --unit, serve, python3, /opt/serve.py]
"""
_NETWORK = f"version: 2\nethernets:\n  eth0:\n    addresses: [{_ADDRESS}/24]\n"
_SEED_FILES = ("user-data", "meta-data", "network-config")
_PEER_PACKAGES = (
    "systemd", "systemd-sysv", "udev", "dbus", "kmod", "python3", "openssl", "openssh-server", "iproute2",
    "qemu-guest-agent", "cloud-init",
)  # fmt: skip


def run(arena: Arena) -> list[Row]:
    """Seconds, each the median of three; the image's rows are single measurements."""
    client = _network(arena)
    with TemporaryDirectory(prefix="rebox-bench-") as name:
        folder = Path(name)
        image = build(RecipeFolder("appliance"), ImageCache("appliance"))
        peer = cloud_image(image, folder)
        ours, theirs = [], []
        for number in range(ROUNDS):
            ours.append(first_answer(client, image, _own_disks(image, folder / f"own{number}")))
            theirs.append(first_answer(client, image, _peer_disks(peer, folder / f"peer{number}")))
        cold, cloud = statistics.median(ours), statistics.median(theirs)
        peer_name = "the same Debian with cloud-init"
        return [
            judged("power-on to the first HTTPS answer", cold, cloud, peer_name, goal=COLD, unit="s", note=_NOTE),
            judged(
                "a kept moment restored, to the first HTTPS answer", restored(), cloud, peer_name, goal=RESTORED,
                unit="s", note="rebox lab restore: memory, disks, name server and BMC; then an answer; the peer boots",
            ),
            *building(image, folder),
        ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------ booting


def first_answer(host: Host, image: Image, disks: list[str]) -> float:
    """Seconds from QEMU's start to the first whole HTTPS answer, to a client on the machine's own network."""
    command = [
        *host.prefix, "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "pc,graphics=off", "-cpu", "max",
        "-smp", "2", "-m", "1024", "-nodefaults", "-display", "none", "-serial", "null",
        "-netdev", f"tap,id=net,ifname={_PORT},script=no,downscript=no",
        "-device", f"virtio-net-pci,netdev=net,mac={_MAC}", "-device", "virtio-rng-pci",
        "-kernel", str(image.folder / KERNEL), "-initrd", str(image.folder / INITRD),
        "-append", image.manifest.command_line, *disks,
    ]  # fmt: skip
    started = time.monotonic()
    with _process(command):
        return host.call(lambda: _answered(started))


def _network(arena: Arena) -> Host:
    """A host with one cable to the machine."""
    host = arena.host("client")
    host.ip(
        f"tuntap add {_PORT} mode tap",
        f"address add {_CLIENT} dev {_PORT}",
        f"link set {_PORT} up",
        # who asks for a machine that is not up yet would be told only seconds later that nobody is there
        f"neighbour add {_ADDRESS} lladdr {_MAC} dev {_PORT}",
    )
    return host


def _answered(started: float) -> float:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    while time.monotonic() - started < _SECONDS_MAX:
        with suppress(OSError), socket.create_connection((_ADDRESS, 443), timeout=_PATIENCE_SECONDS) as plain:
            plain.settimeout(_SECONDS_MAX)
            with context.wrap_socket(plain) as wrapped:
                wrapped.sendall(b"GET /check_health HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n")
                while wrapped.recv(65536):
                    pass
                return time.monotonic() - started
        time.sleep(0.02)
    raise RuntimeError("the machine never answered")


@contextmanager
def _process(command: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _drive(file: Path, kind: str, name: str) -> list[str]:
    return [
        "-drive", f"file={file},if=none,id={name},format={kind},cache=unsafe",
        "-device", f"virtio-blk-pci,drive={name},serial={name}",
    ]  # fmt: skip


def _overlay(over: Path, file: Path) -> Path:
    file.parent.mkdir()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", over, file], check=True)
    return file


def _own_disks(image: Image, folder: Path) -> list[str]:
    system = _overlay(image.folder / DISK, folder / "system.qcow2")
    data, seed = folder / "data.raw", folder / "seed.raw"
    with data.open("wb") as file:
        file.truncate(512 << 20)
    password = password_hash("benchmark")
    order: dict[str, JsonValue] = {
        "serial_number": "BENCH-1",
        "addresses": [f"{_ADDRESS}/24"],
        "admin_password_hash": password,
    }
    write_seed(Workshop(folder, 1), order, seed)
    return [*_drive(system, "qcow2", "system"), *_drive(data, "raw", "rebox-data"), *_drive(seed, "raw", "seed")]


def cloud_image(image: Image, folder: Path) -> Path:
    """The peer's disk: Debian of the same suite with cloud-init, its NoCloud seed in the image already."""
    seed = folder / "seed"
    seed.mkdir()
    (seed / "user-data").write_text(_USER_DATA, encoding="ascii")
    (seed / "meta-data").write_text("instance-id: bench-1\nlocal-hostname: box\n", encoding="ascii")
    (seed / "network-config").write_text(_NETWORK, encoding="ascii")
    (seed / "renderer.cfg").write_text(
        "datasource_list: [NoCloud]\nsystem_info:\n  network:\n    renderers: [networkd]\n", encoding="ascii"
    )
    archive, disk = folder / "peer.tar", folder / "peer.raw"
    place = "var/lib/cloud/seed/nocloud"
    subprocess.run(
        [
            "mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(_PEER_PACKAGES)}",
            "--aptopt=APT::Install-Recommends \"false\"",
            f'--customize-hook=mkdir -p "$1/{place}"',
            *(f"--customize-hook=copy-in {seed / name} /{place}" for name in _SEED_FILES),
            f"--customize-hook=copy-in {seed / 'renderer.cfg'} /etc/cloud/cloud.cfg.d",
            "--customize-hook=chroot \"$1\" systemctl enable systemd-networkd",
            "bookworm", str(archive),
        ],
        check=True,
    )  # fmt: skip
    tree = folder / "peer"
    tree.mkdir()
    subprocess.run(["tar", "-C", tree, "-xf", archive], check=True)
    with disk.open("wb") as file:
        file.truncate(1 << 30)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-U", image.manifest.root_uuid, "-d", tree, disk], check=True)
    shutil.rmtree(tree)
    return disk


def _peer_disks(peer: Path, folder: Path) -> list[str]:
    return _drive(_overlay(peer, folder / "system.qcow2"), "qcow2", "system")


def restored() -> float:
    """Seconds from the order to come back to a kept moment to the first HTTPS answer; the median of three."""
    with TemporaryDirectory(prefix="rebox-bench-") as state, Lab.up(load_topology(TOPOLOGY), state=Path(state)) as lab:
        lab.snapshot("booted")
        old = lab.machine("old")
        seconds = []
        for _ in range(ROUNDS):
            old.crash()
            started = time.monotonic()
            lab.restore("booted")
            while lab.run(
                "client1", ["curl", "-sk", "--max-time", "1", f"https://{old.address}/check_health"]
            ).returncode:
                pass
            seconds.append(time.monotonic() - started)
        return statistics.median(seconds)


# ----------------------------------------------------------------------------------------------------- building


def building(image: Image, folder: Path) -> list[Row]:
    """How long an image takes, and how large it is, beside mkosi with the same packages."""
    work = "building the image"
    if shutil.which("mkosi") is None or os.geteuid() != 0:
        why = "mkosi is not installed, or not run by root, whom it needs"
        return [not_measured(work, "mkosi", why, unit="s")]
    ours = _timed(lambda: build(RecipeFolder("appliance"), ImageCache("appliance", folder / "cache")))
    disk = folder / "mkosi" / "image.raw"
    disk.parent.mkdir()
    packages = json.loads((image.folder / "packages.json").read_text(encoding="utf-8"))
    names = [entry["name"] for entry in packages["debian"] if entry["use"] == "installed"]
    try:
        theirs = _timed(lambda: _with_mkosi(disk, names))
    except subprocess.CalledProcessError as error:
        return [not_measured(work, "mkosi", f"mkosi ended with status {error.returncode}", unit="s")]
    note = "ours: also Python packages, a kernel, UEFI and BIOS, twice the same bytes, list of contents; single runs"
    return [
        judged(work, ours, theirs, "mkosi, Debian's packages alone", unit="s", note=note),
        judged(
            "the image's size on the disk", _megabytes(image.folder / DISK), _megabytes(disk),
            "mkosi, Debian's packages alone", unit="MB", note=note,
        ),
    ]  # fmt: skip


def _with_mkosi(disk: Path, names: list[str]) -> None:
    # it runs systemd-nspawn, which wants /run to be no disk, and where no systemd runs, to be no unit of its own
    subprocess.run(
        [
            "unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "mkosi", "mkosi",
            "--distribution", "debian", "--release", "bookworm", "--format", "gpt_ext4", "--root-size", "2G",
            "--nspawn-keep-unit", *(word for name in names for word in ("--package", name)),
            "--output", str(disk), "--force", "build",
        ],
        check=True, cwd=disk.parent, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _timed(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def _megabytes(file: Path) -> float:
    return file.stat().st_blocks * 512 / 1e6
