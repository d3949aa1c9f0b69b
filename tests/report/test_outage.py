"""What may be said about an outage, and which stretches are drawn large."""

from tests.report.samples import NEW_MAC, OLD_MAC, STRANGE_MAC, a_run, a_watch, an_outage
from toolkit.model.run_report import Gap
from toolkit.report.outage import Stretch, watch_of
from toolkit.report.windows import MOST, close_ups


def test_a_gap_within_the_watchs_own_pauses_is_no_outage() -> None:
    watch = a_watch(icmp=an_outage((100, 101.9)))
    assert not watch.lanes[0].outage_seen
    assert watch.worst is None


def test_a_gap_beyond_them_is_and_the_worst_method_speaks_for_the_run() -> None:
    watch = a_watch(icmp=an_outage((100, 104)), tcp=an_outage((99, 141)), https=an_outage((0, 60), own_gap_ms_max=80))
    assert watch.worst is not None
    assert watch.worst.method == "tcp"
    assert watch.floor_ms == 80


def test_a_longest_gap_beyond_the_listed_ones_is_not_lost() -> None:
    assert a_watch(icmp=an_outage(gap_ms_max=500)).lanes[0].longest_ms == 500


def test_a_method_that_sent_nothing_measured_nothing() -> None:
    watch = a_watch(icmp=an_outage(sent=0))
    assert not watch.measured
    assert watch.missing == ("tcp", "https")


def test_whoever_held_the_address_is_told_from_start_to_end() -> None:
    watch = a_watch((10, OLD_MAC, "old"), (40, STRANGE_MAC, None), (50, NEW_MAC, "new"), icmp=an_outage())
    assert [(reign.owner, reign.stretch.start_ms) for reign in watch.reigns] == [
        ("nobody", 0),
        ("old", 10),
        ("stranger", 40),
        ("new", 50),
    ]
    assert watch.reigns[-1].stretch.end_ms == 10_000
    assert watch.last_owner == "new"


def test_stretches_nobody_watched_are_joined_over_the_methods() -> None:
    blind = (Gap(start_ms=30, end_ms=20),)
    watch = watch_of(a_run(outage={"icmp": an_outage(unwatched=blind), "tcp": an_outage(unwatched=blind)}))
    assert watch.unwatched == ((Stretch(20, 30), ("icmp", "tcp")),)


def test_the_swing_is_drawn_large_even_when_nothing_was_lost() -> None:
    (window,) = close_ups(a_watch((0, OLD_MAC, "old"), (5000, NEW_MAC, "new"), icmp=an_outage())).windows
    assert window.zero_ms == 5000
    assert window.start_ms < 5000 < window.end_ms
    assert window.length_ms < 100


def test_that_the_address_was_seen_for_the_first_time_is_not_drawn_large() -> None:
    (window,) = close_ups(a_watch((47, OLD_MAC, "old"), (5000, NEW_MAC, "new"), icmp=an_outage())).windows
    assert (window.zero_ms, window.what) == (5000, "the swing")


def test_nor_that_nobody_was_seen_at_all() -> None:
    assert close_ups(a_watch(icmp=an_outage())).windows == ()


def test_the_swing_and_the_longest_outage_are_drawn_whatever_else_happened() -> None:
    many = [(1000.0 * n, 1000.0 * n + 30) for n in range(1, 9)]
    owners = [(0, OLD_MAC, "old"), (9000, NEW_MAC, "new")]
    chosen = close_ups(a_watch(*owners, icmp=an_outage(*many, (500, 540)))).windows
    assert len(chosen) == MOST
    assert (chosen[0].zero_ms, chosen[-1].zero_ms, chosen[-1].what) == (500, 9000, "the swing")


def test_going_back_is_called_that() -> None:
    watch = a_watch((0, NEW_MAC, "new"), (5000, OLD_MAC, "old"), icmp=an_outage((4990, 5030)))
    assert [window.what for window in close_ups(watch).windows] == ["the way back"]


def test_a_quiet_watch_needs_no_close_up() -> None:
    assert close_ups(a_watch((0, OLD_MAC, "old"), icmp=an_outage((100, 101)))).windows == ()


def test_gaps_that_belong_together_share_a_close_up_and_others_do_not() -> None:
    watch = a_watch(icmp=an_outage((1000, 1040), (1100, 1140), (8000, 8005)), tcp=an_outage((1001, 1041)))
    assert [window.zero_ms for window in close_ups(watch).windows] == [1000, 8000]


def test_a_short_gap_before_one_of_minutes_keeps_its_own_close_up() -> None:
    first, second = close_ups(a_watch(icmp=an_outage((1000, 1040), (5000, 185_000)))).windows
    assert first.length_ms < 100
    assert second.zero_ms == 5000
    assert second.end_ms >= 185_000


def test_of_very_many_outages_the_longest_are_drawn() -> None:
    many = [(1000.0 * n, 1000.0 * n + 3 + n) for n in range(1, 9)]
    chosen = close_ups(a_watch(icmp=an_outage(*many)))
    assert len(chosen.windows) == MOST
    assert chosen.left_out == 4
    assert [window.zero_ms for window in chosen.windows] == [5000, 6000, 7000, 8000]


def test_probes_lost_in_a_row_are_an_outage_even_when_the_watch_paused_longer_elsewhere() -> None:
    watch = a_watch(icmp=an_outage((100, 109), lost=9, own_gap_ms_max=15))
    assert watch.worst is not None
    assert watch.worst.longest_ms == 9


def test_one_lost_probe_shows_no_more_than_a_moment() -> None:
    assert a_watch(https=an_outage((0, 98), lost=1, own_gap_ms_max=113)).worst is None
