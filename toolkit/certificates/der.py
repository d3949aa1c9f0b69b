"""As much DER (X.690) as it takes to tell containers apart, to cut them out of a file, and to wrap an encrypted key."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from toolkit.model.counting import counted
from toolkit.model.errors import InputError

_INTEGER, _OCTETS, _OID, _SEQUENCE, _CONTEXT_0 = 0x02, 0x04, 0x06, 0x30, 0xA0
_OID_PKCS7 = bytes.fromhex("2a864886f70d0107")


class Kind(StrEnum):
    """What a DER object is, judged by its first fields."""

    CERTIFICATE = "certificate"
    KEY = "private key"
    ENCRYPTED_KEY = "encrypted private key"
    PKCS7 = "PKCS#7"
    PKCS12 = "PKCS#12"
    OTHER = "other"


@dataclass(frozen=True)
class Element:
    """One tag-length-value: its tag, its content, and its whole encoding."""

    tag: int
    content: bytes
    encoding: bytes


def elements(data: bytes) -> Iterator[Element]:
    """The elements that stand one after another in `data`; raises InputError when one is cut off or malformed."""
    position = 0
    while position < len(data):
        start, end = _content_bounds(data, position)
        yield Element(data[position], data[start:end], data[position:end])
        position = end


def _content_bounds(data: bytes, position: int) -> tuple[int, int]:
    """Where the content of the element at `position` starts and ends."""
    header = data[position : position + 2]
    if len(header) < 2 or header[0] & 0x1F == 0x1F:
        raise InputError("the DER data is malformed", why=f"no tag and length at byte {position}")
    start, length = position + 2, header[1]
    if length & 0x80:
        width = length & 0x7F
        if not 1 <= width <= 4:
            # 0 is BER's indefinite length, which no certificate tool writes
            raise InputError("the DER data is malformed", why=f"impossible length at byte {position}")
        length = int.from_bytes(data[start : start + width], "big")
        start += width
    if start + length > len(data):
        missing = counted(start + length - len(data), "byte is", "bytes are")
        raise InputError("the DER data is cut off", why=f"{missing} missing at its end")
    return start, start + length


def kind_of(encoding: bytes) -> Kind:
    """What one whole DER object is; `OTHER` when it is none of the kinds we read."""
    try:
        (outer,) = elements(encoding)
        if outer.tag != _SEQUENCE:
            return Kind.OTHER
        fields = list(elements(outer.content))
        inner = list(elements(fields[0].content)) if fields and fields[0].tag == _SEQUENCE else []
    except (InputError, ValueError):
        return Kind.OTHER
    tags = [field.tag for field in fields]
    return _kind_by_fields(fields, tags, [element.tag for element in inner])


def _kind_by_fields(fields: list[Element], tags: list[int], inner: list[int]) -> Kind:
    if tags[:1] == [_INTEGER]:
        return _versioned(fields[0].content, tags)
    if tags[:2] == [_OID, _CONTEXT_0] and fields[0].content.startswith(_OID_PKCS7):
        return Kind.PKCS7
    if tags[:2] == [_SEQUENCE, _OCTETS] and inner[:1] == [_OID]:
        return Kind.ENCRYPTED_KEY
    if tags[:2] == [_SEQUENCE, _SEQUENCE] and len(inner) >= 6:
        return Kind.CERTIFICATE
    return Kind.OTHER


def _versioned(version: bytes, tags: list[int]) -> Kind:
    if version == b"\x03" and tags[1:2] == [_SEQUENCE]:
        return Kind.PKCS12
    # PKCS#8 is version, algorithm, octets; SEC 1 is version, octets; PKCS#1 is nine integers
    if tags[1:3] == [_SEQUENCE, _OCTETS] or tags[1:2] == [_OCTETS] or tags[1:9] == [_INTEGER] * 8:
        return Kind.KEY
    return Kind.OTHER


def sequence(*parts: bytes) -> bytes:
    """A SEQUENCE of already encoded parts."""
    return _wrap(_SEQUENCE, b"".join(parts))


def octets(content: bytes) -> bytes:
    """An OCTET STRING."""
    return _wrap(_OCTETS, content)


def integer(value: int) -> bytes:
    """An INTEGER that is not negative."""
    return _wrap(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted form."""
    first, second, *rest = (int(number) for number in dotted.split("."))
    content = bytearray([first * 40 + second])
    for number in rest:
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.insert(0, number & 0x7F | 0x80)
        content.extend(groups)
    return _wrap(_OID, bytes(content))


NULL = b"\x05\x00"
"""The ASN.1 NULL."""


def _wrap(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    width = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | width]) + length.to_bytes(width, "big") + content
