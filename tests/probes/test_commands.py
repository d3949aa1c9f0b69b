"""`rebox probe` as people and programs call it: exit statuses, one JSON document, words instead of traces."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.arena import Host
from tests.probes.conftest import SHARED, Authority, Link, NameServer, TlsServer


def _rebox(*words: str, host: Host | None = None, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    before = list(prefix) if host is None else host.prefix
    return subprocess.run(
        [*before, sys.executable, "-m", "toolkit.cli.main", "probe", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_healthy_link_passes(link: Link) -> None:
    for words in (("arp", "10.77.0.2", "--wait", "0.3"), ("icmp", "fd00:77::2"), ("mtu", "10.77.0.2")):
        done = _rebox(*words, host=link.prober)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert "passed" in done.stdout


def test_json_is_one_document_on_stdout(link: Link) -> None:
    link.give(link.old)
    link.give(link.new)
    done = _rebox("arp", SHARED, "--wait", "0.4", "--json", host=link.prober)
    seen = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1, "")
    assert {owner["mac"] for owner in seen["owners"]} == {link.old.address("eth0"), link.new.address("eth0")}
    taken = _rebox("duplicate", SHARED, "--interface", "eth0", "--wait", "0.4", "--json", host=link.prober)
    assert (taken.returncode, json.loads(taken.stdout)["verdict"]) == (1, "failed")


def test_unknown_has_a_status_of_its_own(link: Link) -> None:
    assert _rebox("mtu", "10.77.0.99", "--timeout", "0.05", host=link.prober).returncode == 4
    assert _rebox("sweep", "10.77.0.2", "192.0.2.1", "--timeout", "0.1", host=link.prober).returncode == 4
    ports = _rebox("ports", "10.77.0.2", "--ports", "1-50", "--json", host=link.prober)
    assert (ports.returncode, json.loads(ports.stdout)["asked"]) == (0, 50)
    assert _rebox("path", "10.77.0.2", host=link.prober).returncode == 0
    assert _rebox("tcp", "10.77.0.2", "1", host=link.prober).returncode == 1


def test_without_rights_every_raw_probe_says_what_to_do(link: Link) -> None:
    without = (*link.prober.prefix, "setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw")
    for words in (
        ("arp", "10.77.0.2"),
        ("duplicate", SHARED, "--interface", "eth0"),
        ("icmp", "10.77.0.2"),
        ("ports", "10.77.0.2"),
    ):
        done = _rebox(*words, prefix=without)
        assert done.returncode == 2, done.stderr
        assert "CAP_NET_RAW" in done.stderr
        assert "capability NET_RAW" in done.stderr, "this is root, whom no sudo helps"
        assert "Traceback" not in done.stderr


def test_the_advice_gives_one_command_the_one_right_and_works(link: Link) -> None:
    words = ("probe", "ports", "10.77.0.2", "--ports", "1-3", "--json")
    # somebody without a name in this namespace, and so without rights
    refused = _rebox(*words[1:], prefix=("unshare", "--user"))
    assert refused.returncode == 2
    advice = json.loads(refused.stdout)["next_move"]
    assert "setcap" not in advice, "the system's interpreter runs every other Python program too"
    command = advice.partition("sudo ")[2].partition(" probe …")[0].split()
    assert command[0] == "setpriv"
    assert command[1:6] == ["--reuid", "65534", "--regid", "65534", "--init-groups"]
    rights, program = command[6:-1], command[-1]
    # the link's hosts know no user but root: there root is made as powerless as one
    become = ["--securebits", "+noroot"]
    powerless = ["setpriv", *become, "--inh-caps=-all", program, *words]
    assert link.prober.run(*powerless, check=False).returncode == 2
    done = link.prober.run("setpriv", *become, *rights, program, *words)
    assert json.loads(done.stdout)["asked"] == 3
    shown = link.prober.run("setpriv", *become, *rights, "grep", "CapEff", "/proc/self/status").stdout
    assert int(shown.split()[1], 16) == 1 << 13, "CAP_NET_RAW and no other"


@pytest.mark.parametrize(
    "words",
    [
        ("icmp", "no-such-name.invalid"),
        ("icmp", "127.0.0.1", "--count", "0"),
        ("tls", "127.0.0.1", "--tls", "1.0"),
        ("path", "127.0.0.1", "--method", "pigeon"),
        ("ports", "127.0.0.1", "--ports", "0-5"),
        ("sweep", "10.0.0.0/8"),
        ("watch", "127.0.0.1", "--output", "/nonexistent/w", "--interval-ms", "0"),
        ("watch-stop", "/nonexistent"),
        ("dns", "a..b", "--server", "127.0.0.1"),
    ],
)
def test_wrong_words_are_told_without_a_trace(words: tuple[str, ...]) -> None:
    done = _rebox(*words)
    assert done.returncode == (1 if words[0] == "icmp" and len(words) == 2 else 2), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_tls_https_and_dns_need_no_rights(
    tls_server: TlsServer, name_server: NameServer, authority: Authority, tmp_path: Path
) -> None:
    anchors = tmp_path / "root.pem"
    anchors.write_bytes(authority.pem)
    without = ("unshare", "--user")
    port = ("--port", str(tls_server.port), "--name", "support.example.net")
    assert _rebox("tls", "127.0.0.1", *port, "--anchors", str(anchors), prefix=without).returncode == 0
    assert _rebox("tls", "127.0.0.1", *port, "--json", prefix=without).returncode == 1
    assert _rebox("https", "127.0.0.1", *port, prefix=without).returncode == 0
    asked = ("dns", "support.example.net", "--server", "127.0.0.1", "--port", str(name_server.port))
    assert "192.0.2.10" in _rebox(*asked, prefix=without).stdout


def test_a_watch_is_started_left_alone_looked_at_and_ended(link: Link, tmp_path: Path) -> None:
    folder = str(tmp_path / "w")
    started = _rebox(
        "watch", "10.77.0.2", "--output", folder, "--max-seconds", "60", "--detach", "--json", host=link.prober
    )
    assert started.returncode == 0, started.stderr
    assert json.loads(started.stdout)["directory"] == folder
    assert json.loads(_rebox("watch-show", folder, "--json").stdout)["ended"] == "running"
    again = _rebox("watch", "10.77.0.2", "--output", folder, host=link.prober)
    assert again.returncode == 3
    ended = _rebox("watch-stop", folder, "--json")
    assert (ended.returncode, json.loads(ended.stdout)["ended"]) == (0, "stopped")


def test_a_watch_in_the_foreground_ends_in_time_and_fails_on_losses(link: Link, tmp_path: Path) -> None:
    words = ("--max-seconds", "2", "--no-capture", "--timeout-ms", "100")
    good = _rebox("watch", "10.77.0.2", "--output", str(tmp_path / "a"), *words, host=link.prober)
    assert good.returncode == 0, good.stderr
    bad = _rebox("watch", "10.77.0.99", "--output", str(tmp_path / "b"), *words, host=link.prober)
    assert bad.returncode == 1, bad.stderr
