"""The agent as it is sent: its modules in an archive, and the few words that another machine's shell is given."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import toolkit

_WHERE = Path(toolkit.__file__).parent


@dataclass(frozen=True)
class Program:
    """What is sent to another machine: the module that begins, and the files that it needs, of Python's own library.

    `bare` are packages that are sent without what their `__init__.py` brings in here.
    """

    module: str
    files: tuple[str, ...]
    bare: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """For a POSIX shell; what it says on its standard error is for people."""
        return (
            "for python in python3.13 python3.12 python3.11 python3; do "
            f'command -v "$python" >/dev/null && exec "$python" -I -c "{_BEGIN.format(module=self.module)}"; '
            "done; echo 'no python3' >&2; exit 127"
        )

    def archive(self) -> bytes:
        """What `command` reads: the size in a line, and a ZIP archive of that size."""
        archive = io.BytesIO()
        # without compression: an installation without zlib reads it too
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as content:
            for pattern in self.files:
                for path in sorted(_WHERE.glob(pattern)):
                    content.writestr(f"toolkit/{path.relative_to(_WHERE)}", path.read_bytes())
            for package in self.bare:
                content.writestr(f"toolkit/{package}/__init__.py", b"")
        return f"{len(archive.getvalue())}\n".encode() + archive.getvalue()


# into memory: nothing is left on the other machine, and its disks may be full or read-only
_BEGIN = (
    "import os, sys; "
    "size = int(sys.stdin.buffer.raw.readline()); "
    "held = os.memfd_create('rebox'); "
    "content = bytearray(); "
    "exec('while len(content) < size: content += sys.stdin.buffer.raw.read(min(size - len(content), 1 << 20))'); "
    "os.write(held, content); "
    "sys.path.insert(0, f'/proc/self/fd/{{held}}'); "
    "from {module} import main; "
    "main()"
)

STICKS = Program("toolkit.disks.agent", ("__init__.py", "disks/*.py", "disks/*/*.py"))
"""Does to the sticks of another machine what it is told."""

_WATCHING = (
    "channel",
    "far",
    "held",
    "https",
    "icmp",
    "jobs",
    "parcels",
    "samples",
    "settings",
    "target",
    "tcp",
    "worker",
)
WATCH = Program(
    "toolkit.probes.watch.far",
    (
        "__init__.py",
        "model/errors.py",
        "probes/echo_socket.py",
        "probes/observing.py",
        "probes/sockets.py",
        *(f"probes/watch/{name}.py" for name in _WATCHING),
    ),
    bare=("model", "probes", "probes/watch"),
)
"""The workers of a watch."""
