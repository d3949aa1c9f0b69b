"""The continuous watch on a real link: a swing, a crash of whoever started it, a crash of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.probes.conftest import SHARED, SHARED_SIX, Authority, Link, NameServer, TlsServer, wait_until
from toolkit.model.errors import InputError, PermissionDeniedError, RefusedError
from toolkit.probes.announce import Announcement
from toolkit.probes.watch import Watch, WatchRequest, WatchResult

LONG_S = 60.0  # no watch of a test runs longer, whatever goes wrong


def _icmp_sent(watch: Watch) -> int:
    return watch.result().methods["icmp"].sent


def _frames_in(capture: Path) -> list[str]:
    done = subprocess.run(
        ["tshark", "-r", str(capture), "-T", "fields", "-e", "frame.protocols", "-e", "eth.src"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("address", [SHARED, SHARED_SIX])
def test_a_swing_is_seen_with_its_gap_and_both_owners(link: Link, tmp_path: Path, address: str) -> None:
    link.give(link.old, address)
    link.prober.run("ping", "-c1", "-W2", address)
    watch = Watch.start(
        WatchRequest(address=address, tcp_port=81, max_seconds=LONG_S), tmp_path / "w", prefix=link.prober.prefix
    )
    wait_until(lambda: _icmp_sent(watch) > 300)
    before = watch.result()
    assert before.ended == "running"
    link.take(link.old, address)
    wait_until(lambda: watch.result().methods["icmp"].lost + watch.result().methods["icmp"].pending > 100)
    link.give(link.new, address)
    link.new.call(lambda: Announcement("eth0", address).send())
    wait_until(lambda: len(watch.result().owners) == 2)
    answered = watch.result().methods["icmp"].answered
    wait_until(lambda: watch.result().methods["icmp"].answered > answered + 200)
    seen = watch.stop()

    icmp = seen.methods["icmp"]
    assert seen.ended == "stopped"
    assert [owner.mac for owner in seen.owners] == [link.old.address("eth0"), link.new.address("eth0")]
    assert seen.claims[-1].mac == link.new.address("eth0")
    assert icmp.lost >= 100
    assert icmp.pending == 0
    longest = max(icmp.gaps, key=lambda gap: gap.end_ms - gap.start_ms)
    assert longest.start_ms < seen.owners[1].at_ms
    # the new owner's first frame is the answer to the probe that ended the gap
    assert abs(longest.end_ms - seen.owners[1].at_ms) < icmp.own_gap_ms_max + 20
    assert icmp.gap_ms_max >= 100 * 0.9
    assert icmp.gap_ms_max > icmp.own_gap_ms_max
    # nobody listens on that port: refused is no answer
    assert (seen.methods["tcp"].answered, seen.methods["tcp"].sent > 20) == (0, True)

    boxes = {link.old.address("eth0"): "old", link.new.address("eth0"): "new"}
    assert [change.box for change in seen.owner_changes(boxes)] == ["old", "new"]
    assert seen.outages()["icmp"].gap_ms_max == icmp.gap_ms_max
    assert seen.capture is not None
    frames = _frames_in(seen.capture)
    assert sum("icmp" in frame for frame in frames) > icmp.answered
    assert any("arp" in frame or "icmpv6" in frame for frame in frames)
    assert (tmp_path / "w" / "summary.json").exists()


def test_no_swing_no_gap(link: Link, tmp_path: Path) -> None:
    watch = Watch.start(
        WatchRequest(address="10.77.0.2", max_seconds=LONG_S), tmp_path / "w", prefix=link.prober.prefix
    )
    wait_until(lambda: _icmp_sent(watch) > 500)
    seen = watch.stop()
    assert (seen.methods["icmp"].lost, seen.methods["icmp"].gap_ms_max) == (0, 0.0)
    assert [owner.mac for owner in seen.owners] == [link.old.address("eth0")]
    assert seen.problems == ()
    assert watch.stop() == seen  # stopping twice is harmless


def test_it_goes_on_when_its_parent_is_killed_and_is_found_again(link: Link, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    script = (
        "import sys, time; from pathlib import Path; from toolkit.probes.watch import Watch, WatchRequest\n"
        f"Watch.start(WatchRequest(address='10.77.0.2', max_seconds={LONG_S}), Path(sys.argv[1]))\n"
        "print('started', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [*link.prober.prefix, sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "started\n"
        parent.kill()
    watch = Watch.adopt(folder)
    assert watch.running
    before = _icmp_sent(watch)
    wait_until(lambda: _icmp_sent(watch) > before + 200)
    seen = watch.stop()
    assert (seen.ended, seen.methods["icmp"].lost) == ("stopped", 0)


def test_killed_itself_it_loses_no_more_than_a_second(link: Link, tmp_path: Path) -> None:
    watch = Watch.start(
        WatchRequest(address="10.77.0.2", max_seconds=LONG_S), tmp_path / "w", prefix=link.prober.prefix
    )
    wait_until(lambda: _icmp_sent(watch) > 500)
    sent = watch.result().methods["icmp"].sent
    started = watch.result().seconds
    watch.kill()
    killed = time.monotonic()
    wait_until(lambda: not watch.running)
    assert time.monotonic() - killed < 5  # the workers went with it
    seen = Watch.adopt(tmp_path / "w").result()
    assert seen.ended == "killed"
    assert seen.methods["icmp"].sent >= sent
    assert seen.seconds >= started
    assert (seen.methods["icmp"].lost, seen.methods["icmp"].gap_ms_max) == (0, 0.0)
    stopped = watch.stop()  # puts the capture's pieces together
    assert stopped.capture is not None
    assert len(_frames_in(stopped.capture)) > sent
    assert stopped.methods == seen.methods


def test_a_folder_holds_one_watch_only(link: Link, tmp_path: Path) -> None:
    request = WatchRequest(address="10.77.0.2", max_seconds=LONG_S, capture=False)
    watch = Watch.start(request, tmp_path / "w", prefix=link.prober.prefix)
    with pytest.raises(RefusedError, match="watch in"):
        Watch.start(request, tmp_path / "w", prefix=link.prober.prefix)
    seen = watch.stop()
    assert (seen.owners, seen.capture) == ((), None)
    with pytest.raises(RefusedError):
        Watch.start(request, tmp_path / "w", prefix=link.prober.prefix)
    with pytest.raises(InputError, match="holds no watch"):
        Watch.adopt(tmp_path)


def test_it_ends_by_itself_in_time_or_when_a_file_is_gone(link: Link, tmp_path: Path) -> None:
    marker = tmp_path / "run.pid"
    marker.touch()
    bounded = WatchRequest(address="10.77.0.2", max_seconds=0.5, capture=False)
    told = WatchRequest(address="10.77.0.2", max_seconds=LONG_S, capture=False, until_removed=marker)
    first = Watch.start(bounded, tmp_path / "a", prefix=link.prober.prefix)
    second = Watch.start(told, tmp_path / "b", prefix=link.prober.prefix)
    wait_until(lambda: not first.running)
    assert first.result().ended == "limit"
    assert second.running
    marker.unlink()
    wait_until(lambda: not second.running)
    assert second.result().ended == "removed"


def test_the_capture_never_outgrows_its_limit_and_keeps_what_is_around_an_event(link: Link, tmp_path: Path) -> None:
    limit = 2**20
    request = WatchRequest(address="10.77.0.2", icmp_interval_ms=0.5, max_seconds=LONG_S, capture_bytes_max=limit)
    watch = Watch.start(request, tmp_path / "w", prefix=link.prober.prefix)

    def written() -> int:
        # numbered from 0: how many segments of a sixteenth of the limit have been begun
        return max(int(path.name.split(".")[1]) for path in (tmp_path / "w").glob("capture.*.pcapng"))

    wait_until(lambda: written() >= 4, 30)
    link.new.call(lambda: Announcement("eth0", "10.77.0.2").send())
    wait_until(lambda: bool(watch.result().claims) and watch.result().claims[-1].mac == link.new.address("eth0"))
    claimed = written()
    wait_until(lambda: written() >= claimed + 6, 30)
    seen = watch.stop()
    assert seen.capture is not None
    assert limit * 0.2 < seen.capture.stat().st_size <= limit
    frames = _frames_in(seen.capture)
    on_the_link = seen.methods["icmp"].sent + seen.methods["icmp"].answered
    assert sum("icmp" in frame for frame in frames) < on_the_link
    # long overwritten, had nothing happened there
    assert any("arp" in frame and link.new.address("eth0") in frame for frame in frames)


def test_a_full_disk_loses_neither_the_watch_nor_its_figures(link: Link, tmp_path: Path) -> None:
    # a small disk, mounted for the watch alone; the result is read there as well
    script = (
        "import subprocess, sys, time; from pathlib import Path; from toolkit.probes.watch import Watch, WatchRequest\n"
        "disk = Path(sys.argv[1]); subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=2m', 'x', disk], check=True)\n"
        f"request = WatchRequest(address='10.77.0.2', max_seconds={LONG_S}, capture=False)\n"
        "watch = Watch.start(request, disk / 'w')\n"
        "deadline = time.monotonic() + 40\n"
        "def until(count):\n"
        "    while watch.result().methods['icmp'].answered < count:\n"
        "        assert time.monotonic() < deadline; time.sleep(0.05)\n"
        "until(100)\n"
        "filler = (disk / 'filler').open('wb', buffering=0)\n"
        "try:\n"
        "    while time.monotonic() < deadline: filler.write(bytes(4096))\n"
        "except OSError: pass\n"
        "time.sleep(1); full = watch.result().methods['icmp'].answered; until(full + 3000)\n"
        "subprocess.run(['kill', str(watch.pid)], check=True)\n"
        "while watch.running and time.monotonic() < deadline: time.sleep(0.05)\n"
        "print(watch.result().model_dump_json())"
    )
    done = subprocess.run(
        [*link.prober.prefix, "unshare", "--mount", sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = WatchResult.model_validate_json(done.stdout)
    assert any("counted, but no longer kept" in line for line in seen.problems), seen.problems
    assert (seen.ended, seen.methods["icmp"].lost, seen.methods["icmp"].unwatched) == ("stopped", 0, ())
    assert seen.methods["icmp"].last_ms > seen.seconds * 1000 - 500


def test_without_rights_it_says_what_to_do_and_leaves_the_folder_free(tmp_path: Path) -> None:
    # a user namespace without a network namespace of its own: no right to open raw sockets
    prefix = ["unshare", "--user"]
    request = WatchRequest(address="127.0.0.1", max_seconds=LONG_S)
    for _ in range(2):
        with pytest.raises(PermissionDeniedError, match="sudo setpriv"):
            Watch.start(request, tmp_path / "w", prefix=prefix)
        assert not (tmp_path / "w").exists()
    (tmp_path / "kept").mkdir()
    with pytest.raises(PermissionDeniedError):
        Watch.start(request, tmp_path / "kept", prefix=prefix)
    assert list((tmp_path / "kept").iterdir()) == []


def test_https_is_watched_beside_it_with_the_certificate_served(
    tls_server: TlsServer, authority: Authority, tmp_path: Path
) -> None:
    plain = socket.create_server(("127.0.0.1", 0), backlog=1024)
    request = WatchRequest(
        address="127.0.0.1",
        icmp_interval_ms=None,
        capture=False,
        tcp_port=plain.getsockname()[1],
        tcp_interval_ms=50,
        https_name="support.example.net",
        https_port=tls_server.port,
        https_interval_ms=50,
        max_seconds=LONG_S,
    )
    watch = Watch.start(request, tmp_path / "w")
    wait_until(lambda: len(watch.result().certificates) == 1)
    tls_server.use(authority.issue(tmp_path, "support.example.net"))
    wait_until(lambda: len(watch.result().certificates) == 2)
    tls_server.status = 503
    wait_until(lambda: len(watch.result().certificates) == 3)
    wait_until(lambda: watch.result().methods["https"].sent > 10)
    seen = watch.stop()
    first, second, third = seen.certificates
    assert first.sha256 != second.sha256 == third.sha256
    assert [first.status, second.status, third.status] == [200, 200, 503]
    assert first.at_ms < second.at_ms < third.at_ms
    assert seen.methods["https"].answered > 0
    assert seen.methods["https"].lost > 0  # a sick service is no service
    plain.close()
    assert seen.methods["tcp"].answered == seen.methods["tcp"].sent
    assert seen.problems == ()


def test_it_follows_a_name_as_users_do(name_server: NameServer, tmp_path: Path) -> None:
    name_server.serve("127.0.0.1", serial=8)
    name_server.reload()
    request = WatchRequest(
        address="127.0.0.1",
        icmp_interval_ms=None,
        capture=False,
        tcp_port=1,
        https_name="support.example.net",
        https_port=1,
        resolver="127.0.0.1",
        resolver_port=name_server.port,
        resolver_interval_ms=20,
        max_seconds=LONG_S,
    )
    wait_until(lambda: _address_of(name_server) == "127.0.0.1")
    watch = Watch.start(request, tmp_path / "w")
    wait_until(lambda: bool(watch.result().addresses))
    name_server.serve("127.0.0.9", serial=9)
    name_server.reload()
    wait_until(lambda: len(watch.result().addresses) == 2)
    seen = watch.stop()
    assert [change.address for change in seen.addresses] == ["127.0.0.1", "127.0.0.9"]
    assert 0 < seen.addresses[1].at_ms < seen.seconds * 1000


def _address_of(server: NameServer) -> str:
    from toolkit.probes.dns import ask  # noqa: PLC0415

    return "".join(ask("support.example.net", "127.0.0.1", port=server.port).answers)


def test_what_is_kept_of_a_long_watch_is_bounded_and_the_figures_are_whole(link: Link, tmp_path: Path) -> None:
    request = WatchRequest(address="10.77.0.2", icmp_interval_ms=0.2, max_seconds=LONG_S, capture=False)
    watch = Watch.start(request, tmp_path / "w", prefix=link.prober.prefix)

    def segments() -> list[str]:
        return sorted(path.name for path in (tmp_path / "w").glob("icmp.*.samples"))

    wait_until(lambda: len(segments()) > 4, 30)
    # as after many minutes: the oldest segments have gone
    for name in segments()[:-2]:
        (tmp_path / "w" / name).unlink()
    before = _icmp_sent(watch)
    wait_until(lambda: _icmp_sent(watch) > before + 5000, 30)
    seen = watch.stop()
    assert seen.methods["icmp"].sent > before + 5000
    assert (seen.methods["icmp"].lost, seen.methods["icmp"].pending) == (0, 0)
    assert seen.methods["icmp"].rate_percent > 50


def test_a_watch_that_is_held_up_says_that_nobody_watched_then(link: Link, tmp_path: Path) -> None:
    request = WatchRequest(address="10.77.0.2", max_seconds=LONG_S, capture=False, tcp_port=80)
    watch = Watch.start(request, tmp_path / "w", prefix=link.prober.prefix)
    wait_until(lambda: _icmp_sent(watch) > 300)
    workers = Path(f"/proc/{watch.pid}/task/{watch.pid}/children").read_text(encoding="ascii").split()
    for number in (signal.SIGSTOP, signal.SIGCONT):
        for worker in workers:
            os.kill(int(worker), number)
        time.sleep(1.5)
    seen = watch.stop()
    for method in seen.methods.values():
        (pause,) = method.unwatched
        assert 1400 < pause.end_ms - pause.start_ms < 4000
    assert seen.methods["icmp"].lost == 0


def test_a_worker_that_dies_is_told(link: Link, tmp_path: Path) -> None:
    request = WatchRequest(address="10.77.0.2", max_seconds=LONG_S, capture=False, tcp_port=80)
    watch = Watch.start(request, tmp_path / "w", prefix=link.prober.prefix)
    workers = Path(f"/proc/{watch.pid}/task/{watch.pid}/children").read_text(encoding="ascii").split()
    assert len(workers) == 2
    os.kill(int(workers[0]), signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{workers[0]}").exists())
    time.sleep(1.2)
    seen = watch.stop()
    (rest,) = seen.methods["icmp"].unwatched
    assert rest.end_ms == pytest.approx(seen.seconds * 1000)
    assert seen.methods["tcp"].unwatched == ()
    assert any("icmp worker ended" in problem for problem in seen.problems)


@pytest.mark.parametrize(
    "values",
    [
        {"address": "support"},
        {"address": "10.0.0.1", "icmp_interval_ms": None},
        {"address": "10.0.0.1", "icmp_interval_ms": 0.001},
        {"address": "10.0.0.1", "resolver": "10.0.0.2"},
        {"address": "10.0.0.1", "max_seconds": 0},
        {"address": "10.0.0.1", "speed": 3},
    ],
)
def test_a_request_that_makes_no_sense_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        WatchRequest.model_validate(values)
