"""What several watches saw, on one axis of time: joined over a restart, the worst place first."""

from datetime import timedelta
from pathlib import Path

from tests.traffic.watched import STARTED, PretendWatch
from toolkit.traffic.seen import outages, read_watches, vantage_points, watch_started


def test_two_watches_that_followed_each_other_are_one_outage_and_between_them_nobody_watched(tmp_path: Path) -> None:
    PretendWatch(tmp_path, "00", seconds=20, seconds_ago=40, out=[(5, 6)]).die()
    PretendWatch(tmp_path, "01", seconds=30, out=[(10, 12)])
    seen = read_watches(tmp_path)
    assert watch_started(seen) == STARTED
    icmp = outages(seen)["icmp"]
    assert [(round(gap.start_ms, -2), round(gap.end_ms, -2)) for gap in icmp.gaps] == [(5000, 6000), (40_000, 42_000)]
    (between,) = icmp.unwatched
    assert (round(between.start_ms, -2), round(between.end_ms, -2)) == (20_000, 30_000)
    assert icmp.sent == 5000
    assert round(icmp.gap_ms_max, -2) == 2000


def test_a_watch_that_died_before_the_run_ended_leaves_the_rest_unwatched_and_open(tmp_path: Path) -> None:
    PretendWatch(tmp_path, "00", seconds=20, seconds_ago=40, out=[(15, 21)]).die()
    icmp = outages(read_watches(tmp_path), STARTED + timedelta(seconds=60))["icmp"]
    (rest,) = icmp.unwatched
    assert (round(rest.start_ms, -2), rest.end_ms, rest.ended) == (20_000, 60_000, False)
    assert [gap.ended for gap in icmp.gaps] == [False]


def test_each_place_is_told_the_worst_first_and_a_slow_pace_is_no_outage(tmp_path: Path) -> None:
    PretendWatch(tmp_path, "00", seconds=30, out=[(10, 10.5)])
    PretendWatch(tmp_path, "01", seconds=30, out=[(10, 14)], vantage_point="branch")
    PretendWatch(tmp_path, "02", seconds=30, address="fd77::20", out=[(2, 3)])
    seen = read_watches(tmp_path)
    assert [place.name for place in vantage_points(seen)] == ["branch", "here"]
    told = outages(seen)
    assert sorted(told) == ["icmp", "icmp fd77::20"]
    assert (told["icmp"].vantage_point, round(told["icmp"].gap_ms_max, -2)) == ("branch", 4000)


def test_one_place_alone_needs_no_name(tmp_path: Path) -> None:
    PretendWatch(tmp_path, "00", seconds=10)
    seen = read_watches(tmp_path)
    assert vantage_points(seen) == ()
    assert outages(seen)["icmp"].vantage_point == ""
