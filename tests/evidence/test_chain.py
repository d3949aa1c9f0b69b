"""The chain: any other bit, line or order is found; only what is missing at the end is not."""

from hypothesis import given
from hypothesis import strategies as st

from toolkit.evidence.chain import BEFORE_FIRST, add_link, read_chain

records = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.text() | st.floats(allow_nan=False)), min_size=1, max_size=6
)


def lines_of(content: list[dict[str, object]]) -> list[bytes]:
    lines, last = [], BEFORE_FIRST
    for record in content:
        line, last = add_link(last, record)
        lines.append(line)
    return lines


@given(records)
def test_what_was_written_is_read(content: list[dict[str, object]]) -> None:
    reading = read_chain(b"".join(lines_of(content)))
    assert ([*reading.records], reading.torn_bytes, reading.broken) == (content, 0, None)
    assert [link.number for link in reading.links] == [*range(1, len(content) + 1)]


@given(records, st.data())
def test_any_other_bit_ends_the_belief_at_its_line(content: list[dict[str, object]], data: st.DataObject) -> None:
    lines = lines_of(content)
    damaged = bytearray(b"".join(lines))
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    number = b"".join(lines)[:place].count(b"\n")  # whole lines before it
    reading = read_chain(bytes(damaged))
    assert [*reading.records] == content[:number]
    assert reading.broken is not None or reading.torn_bytes > 0
    if number < len(lines) - 1 and damaged[place] != ord("\n"):
        # with lines after it, it is no torn last line, unless it was the newline between the last two
        assert reading.broken is not None or number == len(lines) - 2


@given(records.filter(lambda content: len(content) > 1), st.data())
def test_a_line_that_is_missing_doubled_or_elsewhere_is_found(
    content: list[dict[str, object]], data: st.DataObject
) -> None:
    lines = lines_of(content)
    at = data.draw(st.integers(0, len(lines) - 2))
    changed = {
        "missing": lines[:at] + lines[at + 1 :],
        "doubled": [*lines[: at + 1], lines[at], *lines[at + 1 :]],
        "swapped": [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]],
    }
    for name, damaged in changed.items():
        reading = read_chain(b"".join(damaged))
        assert len(reading.records) == at + (name == "doubled")
        assert reading.broken is not None or reading.torn_bytes > 0
