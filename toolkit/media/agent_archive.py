"""The agent as it is sent: its modules in an archive, and the few words that another machine's shell is given."""

import io
import zipfile
from pathlib import Path

import toolkit

_WHERE = Path(toolkit.__file__).parent
_MODULES = ("__init__.py", "disks/*.py", "disks/*/*.py")
# into memory: nothing is left on the other machine, and its disks may be full or read-only
_BEGIN = (
    "import os, sys; "
    "size = int(sys.stdin.buffer.readline()); "
    "held = os.memfd_create('rebox'); "
    "content = sys.stdin.buffer.read(size); "
    "os.write(held, content); "
    "sys.path.insert(0, f'/proc/self/fd/{held}'); "
    "from toolkit.disks.agent import main; "
    "main()"
)
COMMAND = (
    "for python in python3.13 python3.12 python3.11 python3; do "
    f'command -v "$python" >/dev/null && exec "$python" -I -c "{_BEGIN}"; '
    "done; echo 'no python3' >&2; exit 127"
)
"""For a POSIX shell; what it says on its standard error is for people."""


def agent_archive() -> bytes:
    """What `COMMAND` reads: the size in a line, and a ZIP archive of that size."""
    archive = io.BytesIO()
    # without compression: an installation without zlib reads it too
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as content:
        for pattern in _MODULES:
            for path in sorted(_WHERE.glob(pattern)):
                content.writestr(f"toolkit/{path.relative_to(_WHERE)}", path.read_bytes())
    return f"{len(archive.getvalue())}\n".encode() + archive.getvalue()
