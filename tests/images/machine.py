"""A virtual machine under software emulation, started from an image with a seed; its console is kept in a file."""

import hashlib
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from typing import Literal

from toolkit.images.manifest import DISK, INITRD, KERNEL, Manifest

ADDRESS = "10.0.2.15"
"""What QEMU's own network, which needs no rights, hands on to."""


class Machine:
    """A running machine; `port` on 127.0.0.1 leads to its HTTPS."""

    def __init__(self, process: "subprocess.Popen[bytes]", console: Path, port: int) -> None:
        self.process = process
        self._console = console
        self.port = port

    @property
    def console(self) -> str:
        """All it has said."""
        return self._console.read_text(encoding="utf-8", errors="replace") if self._console.exists() else ""

    def wait_for(self, words: str, seconds: float, *, times: int = 1) -> str:
        """The console's line that holds the words, so many times; AssertionError shows the console's end."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            found = [line for line in self.console.splitlines(keepends=True) if words in line and line.endswith("\n")]
            if len(found) >= times:
                return found[times - 1].strip()
            time.sleep(0.05)
        state = "it went off" if self.process.poll() is not None else f"not within {seconds:.0f} s"
        raise AssertionError(f"the console never said {words!r} ({state}):\n{self.console[-3000:]}")

    def get(self, path: str) -> tuple[int, bytes, str]:
        """Status, body and the SHA-256 of the certificate it serves."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection("127.0.0.1", self.port, timeout=60, context=context)
        try:
            connection.connect()
            assert isinstance(connection.sock, ssl.SSLSocket)
            served = connection.sock.getpeercert(binary_form=True) or b""
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read(), hashlib.sha256(served).hexdigest()
        finally:
            connection.close()


Start = Literal["direct", "uefi", "bios"]
MAC = "52:54:00:77:00:01"


@contextmanager
def machine(
    image: Path, manifest: Manifest, folder: Path, disks: list[Path], *,
    port: int, start: Start = "direct", more: tuple[str, ...] = (),
) -> Iterator[Machine]:  # fmt: skip
    """A machine whose system disk is laid over the image; `disks` are QEMU's words for the others."""
    overlay = folder / "system.qcow2"
    if not overlay.exists():
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image / DISK, overlay], check=True
        )
    words = [
        "-drive", f"file={overlay},if=none,id=system,format=qcow2,cache=unsafe",
        "-device", "virtio-blk-pci,drive=system,bootindex=1",
        *disk_words(disks), *network_words(port),
    ]  # fmt: skip
    if start == "direct":
        words += ["-kernel", str(image / KERNEL), "-initrd", str(image / INITRD), "-append", manifest.command_line]
    with running(folder, [*words, *more], port=port, uefi=start == "uefi") as box:
        yield box


def disk_words(disks: list[Path]) -> list[str]:
    """QEMU's words for disks whose serial numbers are the stems of their names."""
    words = []
    for number, disk in enumerate(disks):
        words += ["-drive", f"file={disk},if=none,id=disk{number},format=raw,cache=unsafe,discard=unmap"]
        words += ["-device", f"virtio-blk-pci,drive=disk{number},serial={disk.stem}"]
    return words


def network_words(port: int) -> list[str]:
    """A port whose HTTPS can be reached from here, and from which nothing else can be."""
    return [
        "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-{ADDRESS}:443",
        "-device", f"virtio-net-pci,netdev=net,mac={MAC}", "-device", "virtio-rng-pci",
    ]  # fmt: skip


@contextmanager
def running(folder: Path, words: list[str], *, port: int = 0, uefi: bool = False) -> Iterator[Machine]:
    """A machine that consists of these words; its console is kept in `folder`."""
    console = folder / "console"
    console.unlink(missing_ok=True)
    command = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-machine", "pc,graphics=off", "-cpu", "max",
        "-smp", "2", "-m", "1024", "-nodefaults", "-display", "none", "-serial", f"file:{console}", *words,
    ]  # fmt: skip
    if uefi:
        variables = folder / "variables.fd"
        shutil.copy("/usr/share/OVMF/OVMF_VARS_4M.fd", variables)
        command += ["-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd"]
        command += ["-drive", f"if=pflash,format=raw,file={variables}"]
    process = subprocess.Popen(command)
    try:
        yield Machine(process, console, port)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
