"""`rebox media` and `rebox signer`: what people and programs are told, and the exit statuses; on image files."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.disks.block_devices import image
from toolkit.cli.main import main
from toolkit.signing import own_key


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REBOX_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    return image(tmp_path / "stick.img", "vfat")


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup/settings.age").write_bytes(b"sealed" * 1000)
    return tmp_path / "backup"


def rebox(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_backup_goes_onto_a_stick_and_comes_off_it(
    tmp_path: Path, stick: Path, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rebox("media", "write", backup, "--stick", stick, "--kind", "backup", "--describe", "box 4711") == 0
    assert "Written and read back" in capsys.readouterr().out
    assert rebox("media", "verify", "--stick", stick, "--json") == 0
    document = said(capsys)
    assert (document["verdict"], document["manifest"]["kind"], document["manifest"]["source"]) == (
        "passed",
        "backup",
        "box 4711",
    )
    assert rebox("media", "read", tmp_path / "taken", "--stick", stick) == 0
    assert (tmp_path / "taken/backup/settings.age").read_bytes() == b"sealed" * 1000
    capsys.readouterr()
    assert rebox("media", "eject", "--stick", stick, "--json") == 0
    assert said(capsys)["done"] == ["everything that was written is on it"]


def test_what_carries_something_is_not_overwritten_unasked(
    stick: Path, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rebox("media", "write", backup, "--stick", stick, "--json") == 0
    first = said(capsys)["manifest"]["cargo"]
    assert rebox("media", "write", backup, "--stick", stick, "--json") == 3
    assert said(capsys)["error"] == "refused"
    assert rebox("media", "write", backup, "--stick", stick, "--replace", "--json") == 0
    assert said(capsys)["manifest"]["cargo"] != first


def test_a_stick_with_nothing_on_it_is_unknown_and_a_damaged_one_fails(
    stick: Path, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rebox("media", "verify", "--stick", stick) == 4
    assert rebox("media", "write", backup, "--stick", stick) == 0
    content = stick.read_bytes()
    stick.write_bytes(content.replace(b"sealedsealed", b"sealedseaIed"))
    capsys.readouterr()
    assert rebox("media", "verify", "--stick", stick, "--json") == 1
    assert said(capsys)["error"] == "verification"


def test_which_stick_has_to_be_said_where_nobody_can_be_asked(backup: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rebox("media", "write", backup, "--json") == 2
    assert said(capsys)["what"] == "it was not said which stick"
    for which in ("serial=absent", "nonsense"):
        assert rebox("media", "verify", "--stick", which, "--json") == 2
        assert said(capsys)["where"] == which


@pytest.mark.parametrize("which", ["missing.img", "below/missing.img", "/dev/missing", "serial=4711", ".", ""])
def test_a_stick_that_is_not_there_is_told_with_the_next_move_whatever_was_to_be_done(
    which: str, tmp_path: Path, backup: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(backup)
    for words in (
        ["verify"],
        ["read", tmp_path / "taken"],
        ["write", backup],
        ["format", "--serial", "4711"],
        ["eject"],
    ):
        assert rebox("media", *words, "--stick", which, "--json") == 2
        document = said(capsys)
        assert all(document[part] for part in ("what", "where", "why", "next_move")), document
    assert [path.name for path in backup.iterdir()] == ["settings.age"]
    assert not (tmp_path / "taken").exists()


def test_a_stick_that_cannot_be_used_is_told_with_the_next_move(
    tmp_path: Path, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty.img"
    empty.write_bytes(bytes(1 << 20))
    for words in (["verify"], ["read", tmp_path / "taken"], ["write", backup]):
        assert rebox("media", *words, "--stick", empty, "--json") == 3
        document = said(capsys)
        assert str(empty) in document["where"]
        assert document["why"] == "no file system is on it: format it"
        assert document["next_move"]
    assert empty.read_bytes() == bytes(1 << 20)


def test_a_stranger_is_named_and_then_trusted(
    tmp_path: Path, stick: Path, backup: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rebox("media", "write", backup, "--stick", stick) == 0
    assert rebox("signer", "show", "--json") == 0
    capsys.readouterr()
    signer = own_key(tmp_path / "state").public
    monkeypatch.setenv("REBOX_STATE", str(tmp_path / "another machine"))
    assert rebox("media", "verify", "--stick", stick, "--json") == 1
    assert signer in said(capsys)["why"]
    assert rebox("signer", "trust", signer, "--note", "the other site") == 0
    assert rebox("media", "verify", "--stick", stick) == 0
    capsys.readouterr()
    assert rebox("signer", "list", "--json") == 0
    assert {one["public_key"]: one["own"] for one in said(capsys)["signers"]} == {
        signer: False,
        own_key(tmp_path / "another machine").public: True,
    }
    assert rebox("signer", "trust", "ed25519:nonsense") == 2


def test_formatting_wants_the_number_typed(stick: Path, backup: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rebox("media", "write", backup, "--stick", stick) == 0
    before = stick.read_bytes()
    assert rebox("media", "format", "--stick", stick, "--fs", "vfat") == 2
    assert rebox("media", "format", "--stick", stick, "--fs", "vfat", "--serial", "4711") == 3
    assert stick.read_bytes() == before
    capsys.readouterr()
    assert rebox("media", "format", "--stick", stick, "--fs", "vfat", "--serial", stick, "--json") == 0
    assert said(capsys)["file_system"]["label"] == "REBOX"
    assert rebox("media", "verify", "--stick", stick) == 4


def test_lists_are_one_document_and_watching_is_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert rebox("media", "list", "--json") == 0
    listed = said(capsys)["sticks"]
    assert rebox("media", "watch", "--seconds", "0.1", "--json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["stick"] for line in lines] == listed


def test_what_is_no_source_is_named(tmp_path: Path, stick: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "empty").mkdir()
    before = stick.read_bytes()
    for source in (tmp_path / "absent", tmp_path / "link", tmp_path / "empty", "/dev/null"):
        assert rebox("media", "write", source, "--stick", stick, "--json") == 2
        assert str(source) in said(capsys)["where"]
    assert stick.read_bytes() == before


def test_the_private_key_is_in_nothing_that_is_printed_or_carried(
    state: Path, stick: Path, backup: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert rebox("media", "write", backup, "--stick", stick, "--json") == 0
    assert rebox("signer", "show") == 0
    secret = [line for line in (state / "signing.key").read_text().splitlines() if "PRIVATE" not in line]
    printed = "".join(capfd.readouterr())
    assert secret
    assert all(line not in printed for line in secret)
    assert all(line.encode() not in stick.read_bytes() for line in secret)
