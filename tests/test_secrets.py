"""Secrets come from where a reference says, and an error never shows one."""

from pathlib import Path

import pytest

from toolkit.model.errors import InputError
from toolkit.secrets import resolve


def private(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "secret"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


def test_a_private_files_first_line_is_the_secret(tmp_path: Path) -> None:
    private(tmp_path, "open sesame\nand a remark\n")
    assert resolve("file:secret", "the door", base=tmp_path) == "open sesame"


def test_a_file_that_others_can_read_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    file = private(tmp_path, "open sesame\n", 0o644)
    with pytest.raises(InputError, match="can be read by others") as caught:
        resolve(f"file:{file}", "the door")
    assert f"chmod 600 {file}" in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file") as caught:
        resolve("file:nothing", "the door", base=tmp_path)
    assert caught.value.where == str(tmp_path / "nothing")


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    private(tmp_path, "")
    with pytest.raises(InputError, match="is empty"):
        resolve("file:secret", "the door", base=tmp_path)


def test_the_environment_holds_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOOR", "open sesame")
    assert resolve("env:DOOR", "the door") == "open sesame"
    monkeypatch.delenv("DOOR")
    with pytest.raises(InputError, match="environment variable is not set"):
        resolve("env:DOOR", "the door")


def test_nobody_is_asked_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(InputError, match="no terminal"):
        resolve("prompt", "the door")


def test_a_keyring_that_cannot_be_used_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    with pytest.raises(InputError) as caught:
        resolve("keyring:rebox/door", "the door")
    assert caught.value.where == "keyring:rebox/door"


def test_a_secret_in_the_place_of_a_reference_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="not a reference") as caught:
        resolve("hunter2", "the door")
    assert "hunter2" not in str(caught.value)
