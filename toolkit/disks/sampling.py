"""Which parts of a disk are read where not all of it is: representative sampling, NIST SP 800-88 Rev. 1, 4.7.

The disk is divided into subsections, at least a thousand; in each, two places are chosen at random that do not overlap
and cover at least 5 % of it each, so that at least a tenth is read; the first and the last sector always are. The seed
is recorded: whoever has it finds the same places again. Where no more than some hundredth of the disk's sectors kept
what they held, sampling finds it only by luck; a full reading finds every one.
"""

from collections.abc import Iterator, Sequence
from random import Random

from toolkit.disks.pieces import Span

SUBSECTIONS = 1000
_FRACTION = 0.05


def samples(size_bytes: int, sector_bytes: int, seed: str) -> list[Span]:
    """First byte and size of each place, in order, none touching the next; all of a disk that is too small for it."""
    sectors = size_bytes // sector_bytes
    # a subsection has room for two places of a sector each
    if size_bytes % sector_bytes or sectors < 2 * SUBSECTIONS:
        return [(0, size_bytes)]
    chosen = [(0, 1), *_chosen(sectors, Random(seed)), (sectors - 1, 1)]
    return [(first * sector_bytes, count * sector_bytes) for first, count in _joined(chosen)]


def covered(spans: Sequence[Span]) -> int:
    """How many bytes they are together."""
    return sum(size for _, size in spans)


def _chosen(sectors: int, dice: Random) -> Iterator[Span]:
    for number in range(SUBSECTIONS):
        begin, end = sectors * number // SUBSECTIONS, sectors * (number + 1) // SUBSECTIONS
        size = max(1, -int(-(end - begin) * _FRACTION // 1))
        # two of `size` in a row of `room` places: as if each were one place wide, then moved apart
        room = end - begin - 2 * size
        first, second = sorted((dice.randint(0, room), dice.randint(0, room)))
        yield begin + first, size
        yield begin + second + size, size


def _joined(chosen: list[Span]) -> Iterator[Span]:
    first, count = chosen[0]
    for begins, size in chosen[1:]:
        if begins <= first + count:
            count = max(first + count, begins + size) - first
        else:
            yield first, count
            first, count = begins, size
    yield first, count
