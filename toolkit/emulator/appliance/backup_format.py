"""The box's own backup file: zstd inside AES-256-GCM, so that a cut, a flipped bit or another order is always noticed.

    magic "RBXBAK1\\n" | length of header, 4 bytes | header, JSON | SHA-256 of all before | MAC of all before
    then chunks: length, 4 bytes | sealed text; the last one is marked in its nonce (the STREAM construction)

The header says what made the file, and the scrypt parameters. scrypt of the passphrase gives two keys: one for the
header's MAC, so that a wrong passphrase is told from a damaged file, and one for the chunks, which are bound to the
header. Without a passphrase the keys come from an empty one: then the same checks find damage, and hide nothing.
"""

import hashlib
import hmac
import json
import os
import struct
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import BinaryIO

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolkit.emulator.appliance.facts import Moment
from toolkit.emulator.appliance.refusal import Refusal

MAGIC = b"RBXBAK1\n"
_CHUNK = 64 * 1024
_HEADER_MAX = 64 * 1024
_PLAIN_MAX = 1 << 30
_LENGTH = struct.Struct("!I")
_NONCE = struct.Struct("!7sIB")


class Header(BaseModel):
    """What can be read of a backup without its passphrase."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    site_version: str
    base_version: str
    serial_number: str
    created: Moment
    passphrase: bool
    scrypt_log2_n: int = Field(default=14, ge=10, le=16)
    scrypt_r: int = Field(default=8, ge=1, le=8)
    scrypt_p: int = Field(default=1, ge=1, le=4)
    salt: str = Field(pattern="^[0-9a-f]{32}$")
    nonce_prefix: str = Field(pattern="^[0-9a-f]{14}$")

    @classmethod
    def fresh(cls, *, site_version: str, base_version: str, serial_number: str, created: datetime) -> "Header":
        """For a new backup: salt and nonces are random, and used once."""
        return cls(
            site_version=site_version,
            base_version=base_version,
            serial_number=serial_number,
            created=created,
            passphrase=False,
            salt=os.urandom(16).hex(),
            nonce_prefix=os.urandom(7).hex(),
        )


def write_backup(target: BinaryIO, header: Header, lines: Iterable[bytes], passphrase: str | None) -> None:
    """Writes a whole backup of these lines; memory stays bounded by one chunk."""
    header = header.model_copy(update={"passphrase": bool(passphrase)})
    text = header.model_dump_json().encode()
    head = MAGIC + _LENGTH.pack(len(text)) + text
    head += hashlib.sha256(head).digest()
    mac_key, chunk_key = _keys(header, passphrase)
    head += hmac.digest(mac_key, head, "sha256")
    target.write(head)
    seal, prefix = AESGCM(chunk_key), bytes.fromhex(header.nonce_prefix)
    for number, (chunk, last) in enumerate(_chunks(_compressed(lines))):
        sealed = seal.encrypt(_NONCE.pack(prefix, number, last), chunk, head)
        target.write(_LENGTH.pack(len(sealed)) + sealed)


def read_header(source: BinaryIO) -> Header:
    """The header; Refusal 422 `corrupt_backup`. Leaves `source` where `read_lines` wants it: anywhere."""
    source.seek(0)
    return _header(source)[0]


def read_lines(source: BinaryIO, passphrase: str | None) -> Iterator[bytes]:
    """The lines, in order; whoever uses them before the end has been reached uses what is not yet proven whole.

    Refusal 422: `passphrase_required`, `wrong_passphrase`, `corrupt_backup`.
    """
    source.seek(0)
    header, head = _header(source)
    mac = _exactly(source, 32)
    if header.passphrase and not passphrase:
        raise Refusal(422, "passphrase_required", "The backup is protected by a passphrase: give it.")
    mac_key, chunk_key = _keys(header, passphrase if header.passphrase else None)
    if not hmac.compare_digest(mac, hmac.digest(mac_key, head, "sha256")):
        if header.passphrase:
            raise Refusal(422, "wrong_passphrase", "The passphrase does not open the backup.")
        raise _corrupt("its header is damaged")
    chunks = _opened(source, AESGCM(chunk_key), bytes.fromhex(header.nonce_prefix), head + mac)
    yield from _lines(_decompressed(chunks))


def _header(source: BinaryIO) -> tuple[Header, bytes]:
    if _exactly(source, len(MAGIC)) != MAGIC:
        raise Refusal(422, "corrupt_backup", "The file is not a backup of a box.")
    size = _exactly(source, _LENGTH.size)
    (length,) = _LENGTH.unpack(size)
    if length > _HEADER_MAX:
        raise _corrupt("its header is damaged")
    text = _exactly(source, length)
    head = MAGIC + size + text
    digest = _exactly(source, 32)
    if hashlib.sha256(head).digest() != digest:
        raise _corrupt("its header is damaged")
    try:
        return Header.model_validate(json.loads(text)), head + digest
    except (ValueError, ValidationError):
        raise _corrupt("its header cannot be understood") from None


def _keys(header: Header, passphrase: str | None) -> tuple[bytes, bytes]:
    material = hashlib.scrypt(
        (passphrase or "").encode(),
        salt=bytes.fromhex(header.salt),
        n=1 << header.scrypt_log2_n,
        r=header.scrypt_r,
        p=header.scrypt_p,
        maxmem=1 << 27,
        dklen=64,
    )
    return material[:32], material[32:]


def _opened(source: BinaryIO, seal: AESGCM, prefix: bytes, head: bytes) -> Iterator[bytes]:
    number, size = 0, _exactly(source, _LENGTH.size)
    while True:
        (length,) = _LENGTH.unpack(size)
        if length > 2 * _CHUNK:
            raise _corrupt(f"chunk {number} is damaged")
        sealed = _exactly(source, length)
        size = source.read(_LENGTH.size)
        if size and len(size) < _LENGTH.size:
            raise _corrupt("it is cut short, or something follows its end")
        try:
            yield seal.decrypt(_NONCE.pack(prefix, number, not size), sealed, head)
        except InvalidTag:
            raise _corrupt(f"chunk {number} is damaged, or what follows it is missing") from None
        if not size:
            return
        number += 1


def _compressed(lines: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(level=3, write_checksum=True).compressobj()
    for line in lines:
        yield compressor.compress(line + b"\n")
    yield compressor.flush()


def _decompressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor().decompressobj()
    total = 0
    try:
        for chunk in chunks:
            plain = decompressor.decompress(chunk)
            total += len(plain)
            if total > _PLAIN_MAX:
                raise _corrupt("it is larger than any box's settings")
            yield plain
    except zstandard.ZstdError:
        raise _corrupt("its content cannot be unpacked") from None
    if not decompressor.eof:
        raise _corrupt("its content ends early")


def _chunks(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Pieces gathered into chunks of one size; with each, whether it is the last."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) > _CHUNK:
            yield bytes(held[:_CHUNK]), False
            del held[:_CHUNK]
    yield bytes(held), True


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        raise _corrupt("its last line is not whole")


def _exactly(source: BinaryIO, count: int) -> bytes:
    content = source.read(count)
    if len(content) < count:
        raise _corrupt("it is cut short")
    return content


def _corrupt(why: str) -> Refusal:
    return Refusal(422, "corrupt_backup", f"The backup is damaged: {why}. Nothing was changed; take another copy.")
