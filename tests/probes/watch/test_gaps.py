"""How losses and gaps are counted: the definitions, by example and by property."""

from hypothesis import given
from hypothesis import strategies as st

from toolkit.probes.watch.gaps import judge
from toolkit.probes.watch.request import MethodResult
from toolkit.probes.watch.samples import ANSWER, SAMPLE, read_samples

MS = 1000


def _paced(count: int, lost: set[int], *, settled: bool = True, trip_us: int = 200) -> MethodResult:
    sends = [number * MS for number in range(count)]
    answers = {number: sent + trip_us for number, sent in enumerate(sends) if number not in lost}
    return judge(sends, answers, interval_ms=1.0, timeout_ms=100.0, settled=settled)


def test_with_every_probe_answered_there_is_no_gap() -> None:
    seen = _paced(1000, set())
    assert (seen.sent, seen.answered, seen.lost, seen.gap_ms_max, seen.gaps) == (1000, 1000, 0, 0.0, ())
    assert (seen.own_gap_ms_max, seen.rtt_ms_median, seen.rate_percent) == (1.0, 0.2, 100.0)


def test_one_lost_probe_is_a_gap_of_one_interval() -> None:
    seen = _paced(100, {50})
    assert (seen.lost, seen.gap_ms_max) == (1, 1.0)
    assert [(gap.start_ms, gap.end_ms) for gap in seen.gaps] == [(50.0, 51.0)]


def test_a_gap_runs_from_the_last_answered_send_to_the_first_one_after_minus_one_interval() -> None:
    seen = _paced(1000, set(range(300, 350)))
    assert (seen.lost, seen.gap_ms_max) == (50, 50.0)


def test_a_pause_of_our_own_without_a_loss_is_no_gap() -> None:
    sends = [0, 1 * MS, 2 * MS, 40 * MS, 41 * MS]
    answers = {number: sent + 100 for number, sent in enumerate(sends)}
    seen = judge(sends, answers, interval_ms=1.0, timeout_ms=100.0)
    assert (seen.gap_ms_max, seen.own_gap_ms_max) == (0.0, 38.0)


def test_answers_that_waited_in_a_queue_end_no_gap_and_are_no_losses() -> None:
    sends = [number * MS for number in range(400)]
    answers = {number: sent + 200 for number, sent in enumerate(sends)}
    # nobody had the address from 100 to 250 ms; the kernel kept the probes and delivered them all at 250
    answers.update(dict.fromkeys(range(100, 250), 250 * MS))
    seen = judge(sends, answers, interval_ms=1.0, timeout_ms=1000.0, settled=True)
    assert seen.lost == 0
    assert seen.late == 100
    assert seen.gap_ms_max == 100.0


def test_an_answer_after_the_timeout_is_a_loss() -> None:
    sends = [number * MS for number in range(10)]
    answers = {number: sent + (150 * MS if number == 5 else 100) for number, sent in enumerate(sends)}
    seen = judge(sends, answers, interval_ms=1.0, timeout_ms=100.0, settled=True)
    assert (seen.answered, seen.lost) == (9, 1)


def test_an_outage_until_the_end_is_a_gap_and_one_from_the_start_too() -> None:
    assert _paced(1000, set(range(700, 1000))).gap_ms_max == 299.0
    assert _paced(1000, set(range(200))).gap_ms_max == 200.0
    never = _paced(1000, set(range(1000)))
    assert (never.answered, never.lost, never.gap_ms_max, never.rtt_ms_median) == (0, 1000, 999.0, None)


def test_what_was_under_way_at_a_kill_is_neither_lost_nor_a_gap() -> None:
    killed = _paced(1000, set(range(990, 1000)), settled=False)
    assert (killed.lost, killed.pending, killed.gap_ms_max) == (0, 10, 0.0)
    longer = _paced(1000, set(range(800, 1000)), settled=False)
    assert longer.lost + longer.pending == 200
    assert longer.lost == 100


def test_a_watch_that_saw_nothing_is_empty() -> None:
    seen = judge([], {}, interval_ms=1.0, timeout_ms=100.0)
    assert (seen.sent, seen.lost, seen.gap_ms_max, seen.own_gap_ms_max) == (0, 0, 0.0, 0.0)


@given(
    pauses=st.lists(st.integers(500, 30_000), min_size=1, max_size=80),
    lost=st.sets(st.integers(0, 80)),
    settled=st.booleans(),
)
def test_whatever_happens_the_counts_add_up_and_gaps_hold_losses(
    pauses: list[int], lost: set[int], settled: bool
) -> None:
    sends = [sum(pauses[:number]) for number in range(len(pauses))]
    answers = {number: sent + 300 for number, sent in enumerate(sends) if number not in lost}
    seen = judge(sends, answers, interval_ms=1.0, timeout_ms=100.0, settled=settled)
    assert seen.sent == seen.answered + seen.lost + seen.pending
    assert (seen.lost == 0) == (seen.gaps == ())
    for gap in seen.gaps:
        assert 0 <= gap.start_ms <= gap.end_ms <= sends[-1] / 1000
        assert any(number in lost for number, sent in enumerate(sends) if gap.start_ms - 1 <= sent / 1000 <= gap.end_ms)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    sends, answers = read_samples(data)
    assert len(sends) + len(answers) <= len(data) // SAMPLE.size


def test_a_sample_cut_by_a_kill_is_left_out() -> None:
    whole = SAMPLE.pack(0, 5) + SAMPLE.pack(0 | ANSWER, 9) + SAMPLE.pack(1, 1005)
    assert read_samples(whole) == ([5, 1005], {0: 9})
    assert read_samples(whole[:-1]) == ([5], {0: 9})
