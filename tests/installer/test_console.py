"""What the installer says, on its console and to a server that has to be the right one."""

import json
from pathlib import Path

import pytest

from tests.installer.report_server import ReportServer
from toolkit.installer.call_home import CallHome
from toolkit.installer.console import WORD, Console


def lines(place: Path) -> list[dict[str, object]]:
    return [json.loads(line.removeprefix(WORD)) for line in place.read_text().splitlines()]


@pytest.fixture
def screen(tmp_path: Path) -> Path:
    place = tmp_path / "screen"
    place.touch()
    return place


def test_a_line_is_one_object_and_a_screen_that_is_not_there_is_no_reason_to_stop(tmp_path: Path, screen: Path) -> None:
    console = Console((tmp_path / "no" / "serial port", screen))
    console.say("refused", reason="no\nsuch \u2013 disk")
    assert lines(screen) == [{"phase": "refused", "reason": "no\nsuch \u2013 disk"}]
    assert screen.read_text().count("\n") == 1


def test_progress_is_said_from_nothing_to_all_and_not_too_often(screen: Path) -> None:
    step = Console((screen,)).progress("write")
    for number in range(1, 1001):
        step(number / 1000)
    said = [one["fraction"] for one in lines(screen)]
    assert (said[0], said[-1]) == (0.0, 1.0)
    assert said == sorted(set(said))  # type: ignore[type-var]  # they are numbers
    assert 15 < len(said) < 25


def test_the_server_with_the_right_certificate_is_told_everything(tmp_path: Path, screen: Path) -> None:
    console = Console((screen,))
    with ReportServer(tmp_path) as server:
        console.home = CallHome({"url": f"{server.url}/a?b=c", "token": "t0ken", "certificate_sha256": server.sha256})
        console.say("begin", action="wipe")
        console.say("done")
    assert server.told == [{"phase": "begin", "action": "wipe"}, {"phase": "done"}] == lines(screen)
    assert server.tokens == {"Bearer t0ken"}


def test_another_server_is_told_nothing_and_after_a_while_left_alone(tmp_path: Path, screen: Path) -> None:
    console = Console((screen,))
    with ReportServer(tmp_path) as server:
        console.home = CallHome({"url": server.url, "token": "t0ken", "certificate_sha256": "0" * 64})
        for _ in range(10):
            console.say("write", fraction=0.5)
        console.say("done")
    assert (server.told, server.tokens) == ([], set())
    reasons = [one["reason"] for one in lines(screen) if one["phase"] == "report"]
    assert len(reasons) == 4, "three times in vain, and the end once more"
    assert all(server.sha256 in str(reason) for reason in reasons)
    assert "t0ken" not in screen.read_text()


def test_a_server_that_does_not_answer_holds_nothing_up(screen: Path, tmp_path: Path) -> None:
    server = ReportServer(tmp_path)
    with server:
        url, pin = server.url, server.sha256
    console = Console((screen,))
    console.home = CallHome({"url": url, "token": "t0ken", "certificate_sha256": pin})
    console.say("done")
    assert [one["phase"] for one in lines(screen)] == ["done", "report"]
