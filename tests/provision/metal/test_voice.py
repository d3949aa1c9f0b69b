"""What is heard on a console: whole lines, also after the file was begun anew, and never a line half spoken."""

from pathlib import Path
from tempfile import NamedTemporaryFile

from hypothesis import given
from hypothesis import strategies as st

from toolkit.provision.metal.media_server import MediaServer
from toolkit.provision.metal.voice import Console, Voice, announced


def voice_of(console: Console) -> Voice:
    return Voice(MediaServer(console.file, "127.0.0.1", "127.0.0.1", None), console)


def test_only_what_is_said_from_now_on_counts(tmp_path: Path) -> None:
    file = tmp_path / "console"
    file.write_text('rebox-installer: {"phase": "done"}\n')
    voice = voice_of(Console.from_now(file))
    with file.open("a") as spoken:
        spoken.write('[ 1.2] kernel\r\nrebox-installer: {"phase": "wri')
    assert voice.events() == []
    with file.open("a") as spoken:
        spoken.write('te"}\r\n[ 1.3] rebox-installer: {"broken\r\nrebox-installer: [1]\r\n')
    assert voice.events() == [{"phase": "write"}]
    assert voice.events() == []


def test_a_console_that_is_begun_anew_is_heard_from_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "console"
    file.write_text("a long old story\n" * 10)
    voice = voice_of(Console.from_now(file))
    file.write_text('rebox-installer: {"phase": "started"}\n')
    assert voice.events() == [{"phase": "started"}]


def test_a_console_that_is_not_there_yet_is_silent(tmp_path: Path) -> None:
    console = Console.from_now(tmp_path / "console")
    assert (console.lines(), console.tail()) == ([], "")


def test_reports_and_console_are_heard_both(tmp_path: Path) -> None:
    file = tmp_path / "console"
    media = MediaServer(file, "127.0.0.1", "127.0.0.1", None)
    voice = Voice(media, Console.from_now(file))
    media.note_report({"phase": "started"})
    assert voice.events() == [{"phase": "started"}]
    file.write_text('rebox-installer: {"phase": "done"}\n')
    assert voice.events() == [{"phase": "done"}]


def test_the_last_certificate_that_a_box_announces_counts() -> None:
    lines = [b"certificate sha256: " + b"a" * 64 + b" on 10.0.0.1", b"certificate sha256: " + b"b" * 64 + b" on ::1"]
    assert announced(lines) == "b" * 64
    assert announced([b"certificate sha256: short"]) is None


@given(st.lists(st.binary(max_size=40)))
def test_no_bytes_on_a_console_end_the_hearing(pieces: list[bytes]) -> None:
    with NamedTemporaryFile() as file:
        voice = voice_of(Console(Path(file.name)))
        for piece in pieces:
            file.write(piece)
            file.flush()
            voice.events()
        assert isinstance(voice.tail(), str)
