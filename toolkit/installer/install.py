"""Writes an image to a disk, behind it the seed and room for the box's data; it starts once all is proved."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import IO, Any

from toolkit.disks.device import ZEROS, Device, Progress
from toolkit.disks.pieces import PIECE, pieces
from toolkit.disks.refusal import Failed
from toolkit.installer.checks import SEED_BYTES
from toolkit.installer.fat import volume
from toolkit.installer.gpt import BASIC_DATA, HEAD_BYTES, LINUX, SECTOR, TABLE_SECTORS, Partition, grown

SEED_LABEL, DATA_NAME = "REBOX-SEED", "rebox-data"
_END_BYTES = 1 << 20
_NOTE_AT, _NOTE_BYTES = HEAD_BYTES - 4096, 4096
"""In the first MiB, behind the partition table: nobody else writes there."""


def seed_volume(order: Mapping[str, Any], authorized_keys: Sequence[str]) -> bytes:
    """The seed, as the box looks for it; raises Failed when it is too long."""
    files = {"order.json": json.dumps(dict(order)).encode()}
    if authorized_keys:
        files["authorized_keys"] = "".join(f"{key}\n" for key in authorized_keys).encode()
    try:
        return volume(SEED_LABEL, files, SEED_BYTES)
    except ValueError:
        raise Failed("the seed is too long") from None


def was_done(device: Device, job_id: str) -> bool:
    """Whether this very job was done on this disk: what has become of the box since must not be lost."""
    return bool(job_id) and device.read(_NOTE_AT, _NOTE_BYTES) == _note(job_id)


def write_image(image: IO[bytes], image_bytes: int, device: Device, progress: Progress) -> bytes:
    """Writes all of the image but its first MiB, which is handed back: with it, the disk would start."""
    device.mark()
    head = b""
    offset = 0
    while piece := image.read(PIECE):
        if offset + len(piece) > image_bytes:
            raise Failed(f"the image on the medium is longer than {image_bytes} bytes")
        if offset < HEAD_BYTES:
            head += piece[: HEAD_BYTES - offset]
            piece = piece[HEAD_BYTES - offset :]
            offset = len(head)
        if piece == ZEROS[: len(piece)]:
            device.zero(offset, len(piece))
        else:
            device.write(offset, piece)
        offset += len(piece)
        progress(offset / image_bytes)
    if offset != image_bytes:
        raise Failed(f"the image on the medium ends after {offset} bytes of {image_bytes}")
    return head


def finish(
    device: Device, head: bytes, image_bytes: int, image_sha256: str, *,
    job_id: str, seed: bytes | None, data: bool, progress: Progress,
) -> int:  # fmt: skip
    """Adds seed and data partition, reads the image back, and only then writes the first MiB; how much was read."""
    partitions = _partitions(device, image_bytes, seed is not None, data)
    new_head, tail = grown(head, device.size_bytes, partitions)
    new_head = new_head[:_NOTE_AT] + _note(job_id)
    others = [(device.size_bytes - TABLE_SECTORS * SECTOR, tail)]
    for partition in partitions:
        if partition.name == DATA_NAME:
            # whatever lay here: the box makes its data's file system only where it finds nothing
            others += [(partition.start, bytes(PIECE)), (partition.start + partition.size - PIECE, bytes(PIECE))]
        elif seed is not None:
            others.append((partition.start, seed))
    for offset, content in others:
        device.write(offset, content)
    device.settle()
    digest = sha256(head)
    for offset, length in pieces(HEAD_BYTES, image_bytes):
        digest.update(device.read(offset, length))
        progress((offset + length) / image_bytes)
    if digest.hexdigest() != image_sha256:
        raise Failed(f"what was read back is not the image: SHA-256 {digest.hexdigest()}, not {image_sha256}")
    device.write(0, new_head)
    device.settle()
    for offset, content in ((0, new_head), *others):
        if device.read(offset, len(content)) != content:
            raise Failed(f"what was read back at byte {offset} is not what was written")
    return image_bytes + sum(len(content) for _, content in others)


def _note(job_id: str) -> bytes:
    return f"rebox-installer has done the job {job_id}\n".encode().ljust(_NOTE_BYTES, b"\0")


def _partitions(device: Device, image_bytes: int, seed: bool, data: bool) -> list[Partition]:
    found = []
    end = -(-image_bytes // PIECE) * PIECE
    if seed:
        found.append(Partition(SEED_LABEL.lower(), BASIC_DATA, end, SEED_BYTES))
        end += SEED_BYTES
    if data:
        size = (device.size_bytes - _END_BYTES - end) // PIECE * PIECE
        found.append(Partition(DATA_NAME, LINUX, end, size))
    return found
