"""Identity files: locked, private, opened by the plain age program, and each mistake with its own words."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.backup.conftest import NOW, PASSPHRASE, Key, KeyFile
from toolkit.backup.age import MissingIdentityError, WrongPassphraseError
from toolkit.backup.keys import make_identity, read_identities, recipients_of
from toolkit.backup.sealed import seal
from toolkit.model.errors import BackupError, InputError, StorageError


def on_a_terminal(command: list[str], answers: list[str]) -> bytes:
    """Runs a program that asks for passphrases on its terminal; each answer waits for its question."""
    ours, theirs = pty.openpty()
    # setsid --ctty makes the pseudo-terminal the one behind /dev/tty, where age asks
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command], stdin=theirs, stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    for answer in answers:
        while not seen.rstrip().endswith(b":"):
            seen += os.read(ours, 1024)
        os.write(ours, answer.encode() + b"\n")
        seen = b""
    output, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    return output


def test_the_file_is_private_locked_and_names_its_recipient(key_file: KeyFile) -> None:
    content = key_file.path.read_bytes()
    assert key_file.path.stat().st_mode & 0o777 == 0o600
    assert b"AGE-SECRET-KEY" not in content
    assert b"-> scrypt" in content
    assert recipients_of(key_file.identities) == (key_file.recipient,)


def test_the_plain_age_program_opens_both_the_file_and_what_is_sealed_for_it(tmp_path: Path, key_file: KeyFile) -> None:
    seal([b"of the site"], tmp_path / "x.zst.age", [key_file.recipient])
    command = ["age", "-d", "-i", str(key_file.path), str(tmp_path / "x.zst.age")]
    compressed = on_a_terminal(command, [PASSPHRASE])
    assert subprocess.run(["zstd", "-dq"], input=compressed, check=True, capture_output=True).stdout == b"of the site"


@pytest.mark.parametrize("armor", [[], ["-a"]])
def test_we_open_an_identity_that_age_locked(tmp_path: Path, key: Key, armor: list[str]) -> None:
    (tmp_path / "plain").write_text(f"# made by age-keygen\n{key.identity}\n")
    command = ["age", "-p", *armor, "-o", str(tmp_path / "locked"), str(tmp_path / "plain")]
    on_a_terminal(command, [PASSPHRASE, PASSPHRASE])
    assert recipients_of(read_identities(tmp_path / "locked", lambda: PASSPHRASE)) == (key.recipient,)


def test_what_age_keygen_writes_needs_no_passphrase(tmp_path: Path) -> None:
    subprocess.run(["age-keygen", "-o", tmp_path / "identity"], check=True, capture_output=True)
    printed = subprocess.run(["age-keygen", "-y", tmp_path / "identity"], check=True, capture_output=True, text=True)
    assert recipients_of(read_identities(tmp_path / "identity")) == (printed.stdout.strip(),)


def test_a_wrong_passphrase_says_so_and_repeats_neither_it_nor_the_key(key_file: KeyFile) -> None:
    with pytest.raises(WrongPassphraseError, match="the passphrase does not open it") as caught:
        read_identities(key_file.path, lambda: "tr0ub4dor")
    assert "tr0ub4dor" not in str(caught.value)


def test_a_locked_file_without_a_passphrase_says_so(key_file: KeyFile) -> None:
    with pytest.raises(InputError, match="the identity file is locked"):
        read_identities(key_file.path)


def test_a_damaged_file_is_told_from_a_wrong_passphrase(tmp_path: Path, key_file: KeyFile) -> None:
    (tmp_path / "cut").write_bytes(key_file.path.read_bytes()[:-5])
    with pytest.raises(BackupError, match="it is damaged") as caught:
        read_identities(tmp_path / "cut", lambda: PASSPHRASE)
    assert not isinstance(caught.value, WrongPassphraseError)


def test_a_missing_and_an_empty_file_say_so(tmp_path: Path) -> None:
    with pytest.raises(MissingIdentityError, match="the identity file is not there"):
        read_identities(tmp_path / "gone")
    (tmp_path / "empty").touch(mode=0o600)
    with pytest.raises(MissingIdentityError, match="the file holds no identity"):
        read_identities(tmp_path / "empty")


def test_an_unlocked_file_that_others_may_read_is_refused(tmp_path: Path, key: Key) -> None:
    path = tmp_path / "plain"
    path.write_text(f"{key.identity}\n")
    path.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        read_identities(path)


def test_a_line_that_is_no_key_is_named_by_number_and_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.touch(mode=0o600)
    path.write_text("# comment\nAGE-SECRET-KEY-1BROKEN\n")
    with pytest.raises(InputError, match="plain:2") as caught:
        read_identities(path)
    assert "BROKEN" not in str(caught.value)


def test_a_huge_file_is_no_identity_file(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(2 << 20)
    with pytest.raises(InputError, match="larger than 1 MB"):
        read_identities(path)


def test_an_identity_is_never_overwritten(key_file: KeyFile) -> None:
    before = key_file.path.read_bytes()
    with pytest.raises(InputError, match="there is a file already"):
        make_identity(key_file.path, PASSPHRASE, NOW)
    assert key_file.path.read_bytes() == before


def test_no_passphrase_no_identity(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the passphrase is empty"):
        make_identity(tmp_path / "identity", "", NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="gone"):
        make_identity(tmp_path / "gone" / "identity", PASSPHRASE, NOW)
