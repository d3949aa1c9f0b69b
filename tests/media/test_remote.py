"""The agent on another machine, here as a program of its own: sent by its archive, with Python's library alone."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolkit.disks.frames import Lost
from toolkit.disks.refusal import Refused
from toolkit.disks.volumes import Damaged, Full, Gone
from toolkit.media.agent_archive import STICKS
from toolkit.media.remote import RemoteVolume, Talk


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    # as a shell on another machine would start it, which knows nothing of this checkout
    started = subprocess.Popen(
        ["/bin/sh", "-c", STICKS.command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd="/",
        env={"PATH": os.defpath},
    )
    assert started.stdin
    assert started.stdout
    started.stdin.write(STICKS.archive())
    started.stdin.flush()
    yield started
    started.stdin.close()
    assert started.wait(30) == 0
    started.stdout.close()


@pytest.fixture
def talk(process: "subprocess.Popen[bytes]") -> Talk:
    assert process.stdin
    assert process.stdout
    return Talk(process.stdout, process.stdin)


@pytest.fixture
def stick(tmp_path: Path, talk: Talk) -> Path:
    image = tmp_path / "stick.img"
    with image.open("wb") as file:
        file.truncate(40 << 20)
    subprocess.run(["/usr/sbin/mkfs.vfat", "-F", "32", "-n", "STICK", image], check=True, capture_output=True)
    talk.ask("hold", path=str(image))
    return image


def test_a_file_goes_there_and_comes_back(talk: Talk, stick: Path) -> None:
    content = os.urandom(3_000_001)
    volume = RemoteVolume(talk, writing=True)
    assert volume.names() == ()
    volume.write("settings.age", [content[:1], content[1:]])
    volume.write("empty", [])
    volume.close()
    volume = RemoteVolume(talk, writing=False)
    assert volume.names() == ("empty", "settings.age")
    assert b"".join(volume.read("settings.age")) == content
    assert b"".join(volume.read("empty")) == b""
    assert 0 < volume.free_bytes() < stick.stat().st_size
    volume.close()


def test_what_goes_wrong_there_is_raised_here_and_the_talk_goes_on(talk: Talk, stick: Path) -> None:
    volume = RemoteVolume(talk, writing=True)
    with pytest.raises(Full):
        volume.write("large", (bytes(1 << 20) for _ in range(60)))
    with pytest.raises(Refused, match="no name for a file"):
        volume.write("../escape", [b"x"])
    with pytest.raises(Damaged):
        list(volume.read("nowhere"))
    volume.write("small", [b"x"])
    assert volume.names() == ("small",)
    volume.close()
    with pytest.raises(Refused, match="no volume is open"):
        volume.names()


def test_a_sender_that_gives_up_leaves_nothing_there(talk: Talk, stick: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"begun"
        raise OSError("the source does not read")

    volume = RemoteVolume(talk, writing=True)
    with pytest.raises(OSError, match="does not read"):
        volume.write("half", chunks())
    assert volume.names() == ()
    volume.close()


def test_a_reader_that_wants_no_more_can_ask_the_next_thing(talk: Talk, stick: Path) -> None:
    volume = RemoteVolume(talk, writing=True)
    volume.write("large", [bytes(5 << 20)])
    pieces = volume.read("large")
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert volume.names() == ("large",)
    volume.remove("large")
    assert volume.names() == ()
    volume.close()


def test_an_agent_that_is_gone_is_told_as_a_lost_connection(talk: Talk, process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin
    process.stdin.close()
    process.wait(30)
    with pytest.raises(Lost):
        talk.ask("sticks")


def test_what_it_does_not_understand_it_refuses(talk: Talk) -> None:
    with pytest.raises(Refused, match="does not understand"):
        talk.ask("format")
    with pytest.raises(Refused):
        talk.ask("open")
    with pytest.raises(Refused, match="no stick is held"):
        talk.ask("open", writing=False)
    assert isinstance(talk.ask("sticks"), list)


def test_another_stick_in_its_place_is_not_opened(talk: Talk, stick: Path) -> None:
    other = stick.with_name("other.img")
    shutil.copyfile(stick, other)
    other.replace(stick)
    with pytest.raises(Gone, match="another device"):
        RemoteVolume(talk, writing=True)


def test_a_disk_that_is_not_removable_is_none_of_its_business(talk: Talk) -> None:
    with pytest.raises(Refused, match="no removable drive"):
        talk.ask("hold", path="/dev/loop0")
