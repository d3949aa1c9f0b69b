"""The command as people and programs call it: results on stdout, errors on stderr, the promised exit statuses."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = Path("fixtures/inventories/shared-ip.toml")


def rebox(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "toolkit.cli.main", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8", **environment},
    )


def test_help_lists_every_command_and_a_wrong_one_is_wrong_use() -> None:
    said = rebox("--help").stdout
    for command in ("migrate", "plan", "run", "resume", "back", "cert", "backup", "probe", "lab"):
        assert f"\n  {command} " in said
    assert rebox("nonsense").returncode == 2


@pytest.mark.parametrize("noun", ["cert", "backup", "probe", "lab", "inventory", "plan", "run", "back", "migrate"])
def test_every_command_explains_itself(noun: str) -> None:
    done = rebox(noun, "--help")
    assert done.returncode == 0
    assert "Usage: rebox" in done.stdout


def test_a_good_inventory_is_good() -> None:
    done = rebox("inventory", "check", str(GOOD), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["site"]["name"] == "support.example.net"


def test_a_misspelt_field_is_wrong_input_with_file_line_and_field(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(GOOD.read_text(encoding="utf-8").replace("kind =", "knd =", 1))
    done = rebox("inventory", "check", str(file))
    assert done.returncode == 2
    assert f"{file}:10:" in done.stderr
    assert 'Did you mean "kind"?' in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recipient_with_a_slip_of_the_pen_is_found_before_anything_is_done(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    text = GOOD.read_text(encoding="utf-8")
    file.write_text(text.replace("age1ql3z7", "age1ql3z8"))
    line = next(number for number, line in enumerate(text.splitlines(), 1) if line.startswith("recipients"))
    for command in (("inventory", "check"), ("plan",)):
        done = rebox(*command, str(file))
        assert done.returncode == 2
        assert f"{file}:{line}: " in done.stdout + done.stderr
        assert "backup.recipients.0" in done.stdout + done.stderr


def test_with_json_an_error_is_one_document_on_stdout() -> None:
    done = rebox("inventory", "check", "nowhere.toml", "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)
    assert error["error"] == "input"
    assert error["where"] == "nowhere.toml"
    assert error["next_move"]


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (("plan", "--json"), "rebox plan"),
        (("cert", "inspect", "a", "b", "--json"), "rebox cert inspect"),
        (("probe", "icmp", "127.0.0.1", "--json", "--count", "x"), "rebox probe icmp"),
        (("nonsense", "--json"), "rebox"),
    ],
)
def test_with_json_wrong_use_is_one_document_too(words: tuple[str, ...], where: str) -> None:
    done = rebox(*words)
    assert (done.returncode, done.stderr) == (2, "")
    error = json.loads(done.stdout)
    assert (error["error"], error["where"]) == ("input", where)
    assert error["what"]
    assert f"{where} --help" in error["next_move"]


def test_a_json_option_of_another_program_is_not_ours() -> None:
    done = rebox("lab", "exec", "--nonsense", "--", "ip", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--nonsense" in done.stderr


def test_it_says_its_version() -> None:
    assert rebox("--version").stdout == f"rebox {importlib.metadata.version('rebox')}\n"


def test_where_there_is_no_lab_it_says_so(tmp_path: Path) -> None:
    done = rebox("lab", "list", REBOX_STATE=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "There is no lab." in done.stdout


@pytest.mark.parametrize("name", ["a b☃", "x" * 64, "../x", ".x", ""])
def test_what_cannot_be_a_labs_name_is_refused_before_anything_is_built(tmp_path: Path, name: str) -> None:
    done = rebox("lab", "up", "--name", name or "-", REBOX_STATE=str(tmp_path))
    assert done.returncode == 2
    assert "cannot be a lab's name" in done.stderr
    assert "letters, digits" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_schema_is_json() -> None:
    assert "swing" in json.loads(rebox("inventory", "schema").stdout)["properties"]


def test_an_unreachable_box_is_named_before_anything_is_done(tmp_path: Path) -> None:
    text = GOOD.read_text(encoding="utf-8").replace("10.77.0.21", "127.0.0.9").replace("10.77.0.22", "127.0.0.8")
    file = tmp_path / "site.toml"
    file.write_text(text.replace('client_secret = "file:old-api.secret"', 'client_secret = "env:S"'))
    done = rebox("plan", str(file), S="a secret nobody may see")
    assert done.returncode == 1
    assert "old (127.0.0.9)" in done.stderr
    assert "does not answer" in done.stderr
    assert "a secret nobody may see" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_the_shell_completes_commands() -> None:
    done = rebox("", _REBOX_COMPLETE="complete_bash", COMP_WORDS="rebox la", COMP_CWORD="1")
    assert done.stdout.split() == ["lab"]


def test_a_result_is_on_stdout_and_a_mistake_on_stderr() -> None:
    good, bad = rebox("inventory", "check", str(GOOD)), rebox("inventory", "check", "nowhere.toml")
    assert "is a valid inventory" in good.stdout
    assert good.stderr == bad.stdout == ""
    assert "nowhere.toml" in bad.stderr


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_reader_that_has_gone_away_changes_nothing(words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "toolkit.cli.main", "inventory", "check", str(GOOD), *words]
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
