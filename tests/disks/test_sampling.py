"""Sampling: what it must always cover, and what it can and cannot find."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from toolkit.disks.sampling import SUBSECTIONS, covered, samples

SECTORS = st.integers(2 * SUBSECTIONS, 10**12)
SECTOR_BYTES = st.sampled_from((512, 4096))
SEEDS = st.text(min_size=1, max_size=20)


@given(sectors=SECTORS, sector_bytes=SECTOR_BYTES, seed=SEEDS)
def test_samples_lie_on_the_disk_in_order_without_overlap_and_hold_both_ends(
    sectors: int, sector_bytes: int, seed: str
) -> None:
    size = sectors * sector_bytes
    spans = samples(size, sector_bytes, seed)
    ends = [begin + length for begin, length in spans]
    assert all(end < begin for end, (begin, _) in zip(ends, spans[1:], strict=False)), (
        "in order, none touching the next"
    )
    assert all(begin % sector_bytes == length % sector_bytes == 0 < length for begin, length in spans)
    assert (spans[0][0], ends[-1]) == (0, size)


@given(sectors=SECTORS, sector_bytes=SECTOR_BYTES, seed=SEEDS)
def test_every_subsection_is_covered_by_a_tenth_in_two_places(sectors: int, sector_bytes: int, seed: str) -> None:
    size = sectors * sector_bytes
    spans = samples(size, sector_bytes, seed)
    assert covered(spans) >= size / 10
    # the first, the last and a few in the middle stand for all thousand
    for number in (0, 1, SUBSECTIONS // 2, SUBSECTIONS - 2, SUBSECTIONS - 1):
        begin = sectors * number // SUBSECTIONS * sector_bytes
        end = sectors * (number + 1) // SUBSECTIONS * sector_bytes
        inside = [(max(at, begin), min(at + length, end)) for at, length in spans if at < end and at + length > begin]
        assert sum(stop - start for start, stop in inside) >= (end - begin) / 10


@given(seed=SEEDS)
def test_the_same_seed_finds_the_same_places_and_another_one_others(seed: str) -> None:
    size = 1 << 30
    assert samples(size, 512, seed) == samples(size, 512, seed)
    assert samples(size, 512, seed) != samples(size, 512, f"{seed}.")


@given(size=st.integers(0, 2 * SUBSECTIONS * 512 - 1))
def test_a_disk_that_is_too_small_for_it_is_read_whole(size: int) -> None:
    assert samples(size, 512, "seed") == [(0, size)]


@given(seed=st.integers(0, 2**64))
def test_a_spot_that_was_missed_is_found_as_often_as_its_size_allows(seed: int) -> None:
    """Of a disk a hundredth of which was missed in a hundred scattered spots, some spot is always found: 0.9¹⁰⁰ is
    less than 3 in 100,000. A full reading reads everything, and finds one sector."""
    dice = Random(seed)
    sectors = 1 << 21
    spans = samples(sectors * 512, 512, str(seed))
    spots = [dice.randrange(sectors - 200) for _ in range(100)]
    read = [(begin // 512, (begin + length) // 512) for begin, length in spans]
    assert any(begin < spot + 200 and spot < end for spot in spots for begin, end in read)
