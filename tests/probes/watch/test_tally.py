"""How losses, gaps, delays and pauses are counted: the definitions, by example and by property."""

import json

from hypothesis import given
from hypothesis import strategies as st

from toolkit.probes.watch.gaps import judge
from toolkit.probes.watch.request import MethodResult
from toolkit.probes.watch.samples import ANSWER, FAILED, SAMPLE, STOOD
from toolkit.probes.watch.tally import Tally

MS = 1000


def sent(number: int, at_us: int) -> tuple[int, bytes]:
    return at_us, SAMPLE.pack(number, at_us)


def answered(number: int, at_us: int) -> tuple[int, bytes]:
    return at_us, SAMPLE.pack(number | ANSWER, at_us)


def failed(number: int, at_us: int, *, stood: bool = False) -> tuple[int, bytes]:
    return at_us, SAMPLE.pack(number | ANSWER, at_us | FAILED | (STOOD if stood else 0))


def tally_of(
    *happened: tuple[int, bytes], interval_ms: float = 1.0, timeout_ms: float = 100.0, message: int = 50
) -> Tally:
    """A tally that was fed what happened, in order of time, `message` samples at once."""
    tally = Tally(int(interval_ms * MS), int(timeout_ms * MS), 5000 * MS)
    pieces = [piece for _, piece in sorted(happened, key=lambda one: one[0])]
    for start in range(0, len(pieces), message):
        tally.feed(b"".join(pieces[start : start + message]))
    return tally


def paced(count: int, lost: set[int], *, settled: bool = True, trip_us: int = 200) -> MethodResult:
    happened = [sent(number, number * MS) for number in range(count)]
    happened += [answered(number, number * MS + trip_us) for number in range(count) if number not in lost]
    return judge(tally_of(*happened), settled=settled)


def test_with_every_probe_answered_there_is_no_gap() -> None:
    seen = paced(1000, set())
    assert (seen.sent, seen.answered, seen.lost, seen.gap_ms_max, seen.gaps) == (1000, 1000, 0, 0.0, ())
    assert (seen.own_gap_ms_max, seen.rtt_ms_median, seen.rate_percent) == (1.0, 0.2, 100.0)
    assert (seen.delayed, seen.cut, seen.hangs, seen.unwatched) == (0, 0, (), ())


def test_one_lost_probe_is_a_gap_of_one_interval() -> None:
    seen = paced(100, {50})
    assert (seen.lost, seen.gap_ms_max) == (1, 1.0)
    assert [(gap.start_ms, gap.end_ms, gap.own_gap_ms) for gap in seen.gaps] == [(50.0, 51.0, 1.0)]


def test_a_gap_runs_from_the_last_answered_send_to_the_first_one_after_minus_one_interval() -> None:
    seen = paced(1000, set(range(300, 350)))
    assert (seen.lost, seen.gap_ms_max) == (50, 50.0)


def test_a_pause_of_our_own_without_a_loss_is_no_gap() -> None:
    moments = [0, 1 * MS, 2 * MS, 40 * MS, 41 * MS]
    seen = judge(
        tally_of(
            *(sent(n, at) for n, at in enumerate(moments)), *(answered(n, at + 100) for n, at in enumerate(moments))
        )
    )
    assert (seen.gap_ms_max, seen.own_gap_ms_max) == (0.0, 38.0)


def test_answers_that_waited_in_a_queue_end_no_gap_and_are_told_as_delayed() -> None:
    happened = [sent(number, number * MS) for number in range(400)]
    # nobody had the address from 100 to 250 ms; the kernel kept the probes and delivered them all at 250
    happened += [answered(n, 250 * MS if 100 <= n < 250 else n * MS + 200) for n in range(400)]
    seen = judge(tally_of(*happened, timeout_ms=1000.0), settled=True)
    assert (seen.lost, seen.late, seen.gap_ms_max) == (0, 100, 100.0)
    assert (seen.delayed, seen.cut, seen.hung_ms_max) == (100, 0, 150.0)


def test_an_answer_after_the_timeout_is_a_loss_and_its_whole_time_is_told() -> None:
    happened = [sent(number, number * MS) for number in range(2000)]
    happened += [answered(n, n * MS + (1050 * MS if n == 5 else 100)) for n in range(2000)]
    for settled in (True, False):
        seen = judge(tally_of(*happened, timeout_ms=500.0), settled=settled)
        assert (seen.answered, seen.lost, seen.gap_ms_max) == (1999, 1, 1.0)
        assert (seen.delayed, seen.cut, seen.hung_ms_max) == (1, 0, 1050.0)
        assert [(hang.start_ms, hang.end_ms, hang.cut) for hang in seen.hangs] == [(5.0, 1055.0, False)]


def test_what_was_refused_at_once_is_a_loss_and_what_hung_or_stood_before_it_failed_was_cut() -> None:
    def a_failure(after_ms: float, *, stood: bool = False) -> MethodResult:
        happened = [sent(number, number * MS) for number in range(500)]
        happened += [answered(n, n * MS + 200) for n in range(500) if n != 100]
        return judge(tally_of(*happened, failed(100, int((100 + after_ms) * MS), stood=stood)), settled=True)

    for seen, cut, hung_ms in (
        (a_failure(0.3), 0, 0.0),
        (a_failure(0.3, stood=True), 1, 0.3),
        (a_failure(70), 1, 70.0),
        (a_failure(210, stood=True), 1, 210.0),
    ):
        assert (seen.lost, seen.gap_ms_max, seen.delayed) == (1, 1.0, 0)
        assert (seen.cut, seen.hung_ms_max) == (cut, hung_ms)


def test_an_outage_until_the_end_has_not_ended_and_one_from_the_start_has() -> None:
    until_the_end = paced(1000, set(range(700, 1000)))
    assert until_the_end.gap_ms_max == 299.0
    assert [gap.ended for gap in until_the_end.gaps] == [False]
    from_the_start = paced(1000, set(range(200)))
    assert from_the_start.gap_ms_max == 200.0
    assert [gap.ended for gap in from_the_start.gaps] == [True]
    never = paced(1000, set(range(1000)))
    assert (never.answered, never.lost, never.gap_ms_max, never.rtt_ms_median) == (0, 1000, 999.0, None)


def test_what_was_under_way_at_a_kill_is_neither_lost_nor_a_gap() -> None:
    killed = paced(1000, set(range(990, 1000)), settled=False)
    assert (killed.lost, killed.pending, killed.gap_ms_max) == (0, 10, 0.0)
    longer = paced(1000, set(range(800, 1000)), settled=False)
    assert longer.lost + longer.pending == 200
    assert longer.lost == 100


def test_a_long_pause_of_ours_is_time_that_nobody_watched_and_what_it_swallowed_is_no_loss() -> None:
    moments = [number * MS for number in range(500)] + [4000 * MS + number * MS for number in range(500)]
    # the answers to the last twenty before the pause came while nobody looked, and were not kept
    happened = [sent(number, at) for number, at in enumerate(moments)]
    happened += [answered(number, at + 200) for number, at in enumerate(moments) if not 480 <= number < 500]
    seen = judge(tally_of(*happened), settled=True)
    assert [(gap.start_ms, gap.end_ms) for gap in seen.unwatched] == [(499.0, 4000.0)]
    assert (seen.lost, seen.pending, seen.gaps) == (0, 20, ())


def test_an_outage_around_a_pause_of_ours_says_how_much_of_it_may_be_the_pause() -> None:
    moments = [number * MS for number in range(100)] + [600 * MS + number * MS for number in range(100)]
    happened = [sent(number, at) for number, at in enumerate(moments)]
    happened += [answered(number, at + 200) for number, at in enumerate(moments) if number != 100]
    (gap,) = judge(tally_of(*happened), settled=True).gaps
    assert gap.end_ms - gap.start_ms == 501.0
    assert gap.own_gap_ms == 501.0


def test_a_watch_that_saw_nothing_is_empty() -> None:
    seen = judge(Tally(MS, 100 * MS))
    assert (seen.sent, seen.lost, seen.gap_ms_max, seen.own_gap_ms_max) == (0, 0, 0.0, 0.0)


def test_of_very_many_gaps_the_longest_are_kept_and_the_others_counted() -> None:
    # every second probe is lost, and once fifty in a row
    lost = {number for number in range(6000) if number % 2 or 3000 <= number < 3050}
    seen = paced(6000, lost)
    assert seen.gap_ms_max == 51.0
    assert len(seen.gaps) + seen.gaps_left_out == 2975
    assert len(seen.gaps) < 1001


def test_a_day_takes_no_more_memory_than_an_hour() -> None:
    tally, number, size = Tally(MS, 100 * MS), 0, []
    for _ in range(40):
        data = bytearray()
        for _ in range(2000):
            data += SAMPLE.pack(number, number * MS)
            if number % 7:
                data += SAMPLE.pack(number | ANSWER, number * MS + 200 + number % 1000)
            number += 1
        tally.feed(bytes(data))
        size.append(len(json.dumps(tally.as_json())))
    assert max(size) < 64 * 1024


histories = st.lists(
    st.tuples(
        st.integers(500, 30_000) | st.integers(900_000, 3_000_000),
        st.sampled_from(["answered", "lost", "failed", "stood"]),
        st.integers(100, 400_000),
    ),
    min_size=1,
    max_size=80,
)


def _happened(history: list[tuple[int, str, int]]) -> list[tuple[int, bytes]]:
    happened, at_us = [], 0
    for number, (pause_us, how, trip_us) in enumerate(history):
        happened.append(sent(number, at_us))
        if how == "answered":
            happened.append(answered(number, at_us + trip_us))
        elif how != "lost":
            happened.append(failed(number, at_us + trip_us, stood=how == "stood"))
        at_us += pause_us
    return happened


@given(history=histories, settled=st.booleans(), message=st.integers(1, 20))
def test_whatever_happens_the_counts_add_up_and_gaps_hold_losses(
    history: list[tuple[int, str, int]], settled: bool, message: int
) -> None:
    seen = judge(tally_of(*_happened(history), message=message), settled=settled)
    assert seen.sent == len(history) == seen.answered + seen.lost + seen.pending
    assert (seen.lost + seen.late == 0) == (seen.gaps == ())
    assert len(seen.hangs) == seen.delayed + seen.cut
    last_ms = seen.last_ms
    for gap in seen.gaps:
        assert 0 <= gap.start_ms <= gap.end_ms <= last_ms
        assert 0 <= gap.own_gap_ms <= gap.end_ms - gap.start_ms + 0.0001


@given(history=histories, message=st.integers(1, 20), at=st.integers(0, 200))
def test_a_tally_that_was_put_down_and_taken_up_again_goes_on_as_if_nothing_had_happened(
    history: list[tuple[int, str, int]], message: int, at: int
) -> None:
    pieces = [piece for _, piece in sorted(_happened(history), key=lambda one: one[0])]
    messages = [b"".join(pieces[start : start + message]) for start in range(0, len(pieces), message)]
    whole, put_down = Tally(MS, 100 * MS), Tally(MS, 100 * MS)
    for number, data in enumerate(messages):
        if number == at % len(messages):
            put_down = Tally.from_json(json.loads(json.dumps(put_down.as_json())))
        whole.feed(data)
        put_down.feed(data)
    assert judge(whole) == judge(put_down)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    tally = Tally(MS, 100 * MS)
    tally.feed(data)
    assert judge(tally).sent <= len(data) // SAMPLE.size


def test_a_sample_cut_by_a_kill_is_left_out() -> None:
    whole = sent(0, 5)[1] + answered(0, 9)[1] + sent(1, 1005)[1]
    for data, count in ((whole, 2), (whole[:-1], 1)):
        tally = Tally(MS, 100 * MS)
        tally.feed(data)
        assert (tally.sent, judge(tally).answered) == (count, 1)
