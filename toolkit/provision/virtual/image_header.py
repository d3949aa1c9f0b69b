"""What a disk image says that it is laid over: qcow2's header (QEMU, docs/interop/qcow2.rst), and names of files there.

Only an image that is said to be qcow2 is read so: what stands at the beginning of a raw one is its guest's to write.
"""

import json
import posixpath
import re
import struct
from dataclasses import dataclass
from typing import Any

QCOW2 = b"QFI\xfb"
HEADER_BYTES_MAX = 1 << 21
"""All of a header lies in the first cluster, which has 2 MiB at most."""
_V2_BYTES, _DATA_OUTSIDE = 72, 1 << 2
_END, _BACKING_FORMAT, _DATA_FILE = 0, 0xE2792ACA, 0x44415441
_PROTOCOL = re.compile(r"[A-Za-z0-9+.-]+:")
_OTHERS = (b"QED\0", b"KDMV", b"COWD", b"# Disk DescriptorFile", b"vhdxfile", b"conectix", QCOW2)


class HeaderError(Exception):
    """It cannot be told what an image is laid over, in words."""


@dataclass(frozen=True)
class Header:
    """The image below, its format where that is said, and the file that holds the data; "" for none."""

    backing: str = ""
    backing_format: str = ""
    data_file: str = ""


def read_header(beginning: bytes) -> Header:
    """Of a qcow2 image; `beginning` has all of it, or HEADER_BYTES_MAX bytes. Raises HeaderError."""
    if beginning[:4] != QCOW2 or len(beginning) < _V2_BYTES:
        raise HeaderError("it is no qcow2 image")
    version, name_at, name_bytes = struct.unpack(">IQI", beginning[4:20])
    if version not in (2, 3):
        raise HeaderError(f"it is a qcow image of version {version}, which is not known")
    features, length = 0, _V2_BYTES
    if version == 3:
        if len(beginning) < 104:
            raise HeaderError("its qcow2 header is cut short")
        (features,), (length,) = struct.unpack(">Q", beginning[72:80]), struct.unpack(">I", beginning[100:104])
    told = _extensions(beginning, length)
    backing = _text(beginning[name_at : name_at + name_bytes], name_bytes) if name_at else ""
    data_file = told.get(_DATA_FILE, "")
    if features & _DATA_OUTSIDE and not data_file:
        raise HeaderError("it keeps its data in another file and does not say in which")
    return Header(backing, told.get(_BACKING_FORMAT, ""), data_file if features & _DATA_OUTSIDE else "")


def _extensions(beginning: bytes, at: int) -> dict[int, str]:
    found: dict[int, str] = {}
    while at + 8 <= len(beginning):
        kind, size = struct.unpack(">II", beginning[at : at + 8])
        if kind == _END:
            return found
        if kind in (_BACKING_FORMAT, _DATA_FILE):
            found[kind] = _text(beginning[at + 8 : at + 8 + size], size)
        at += 8 + -(-size // 8) * 8
    raise HeaderError("its qcow2 header is cut short")


def _text(content: bytes, size: int) -> str:
    if len(content) != size:
        raise HeaderError("its qcow2 header is cut short")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise HeaderError("its qcow2 header names a file by what is no text") from None


def may_be_layered(beginning: bytes) -> bool:
    """Whether an image whose format nobody says may be one of those that can be laid over others."""
    return beginning.startswith(_OTHERS) or beginning[0x40:0x44] == b"\x7f\x10\xda\xbe"


def file_named(name: str, image: str, *, beside: bool = True) -> tuple[str, str]:
    """Path and format ("": it is not said) of a file as an image's header names it; `image` is that image's path.

    `beside`: a relative name counts from the image's folder, as that of a backing image does. Raises HeaderError for
    what is no file of the host.
    """
    kind = ""
    if name.startswith("json:"):
        name, kind = _of_json(name)
    elif _PROTOCOL.match(name):
        scheme, _, rest = name.partition(":")
        if scheme != "file":
            raise HeaderError(f"it is laid over {name}, which is no file of its host")
        name = rest.removeprefix("//")
    if name.startswith("/"):
        return posixpath.normpath(name), kind
    if not beside:
        raise HeaderError(f"it names {name} without its folder")
    return posixpath.normpath(posixpath.join(posixpath.dirname(image), name)), kind


def _of_json(name: str) -> tuple[str, str]:
    try:
        told = json.loads(name.removeprefix("json:"))
        kind, file = _file_of(told)
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError):
        raise HeaderError(f"it is laid over {name}, which cannot be understood") from None
    return file, kind


def _file_of(told: dict[str, Any]) -> tuple[str, str]:
    """Format and file of QEMU's description of a block device, nested or flat (qemu-options, blockdev)."""
    driver = str(told.get("driver", ""))
    if driver in ("file", "host_device"):
        return "", str(told["filename"])
    file = told.get("file")
    if isinstance(file, dict):
        inner, path = _file_of(file)
        if inner:
            raise ValueError("a format within another")
        return driver, path
    if driver in ("", "raw", "qcow2") and told.get("file.driver", "file") in ("file", "host_device"):
        return driver, str(told.get("file.filename") or told["filename"])
    raise ValueError("no file")
