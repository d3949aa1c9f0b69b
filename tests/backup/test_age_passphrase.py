"""A file locked with a passphrase: what keeps it from being opened is told apart."""

import re
from pathlib import Path

import pyrage  # type: ignore[import-untyped,unused-ignore]
import pytest

from tests.backup.conftest import PASSPHRASE
from toolkit.backup import age, age_scrypt

CHEAP = 10
"""A work factor that takes no time; what is tested is not how hard guessing is."""


@pytest.fixture
def endless_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemAvailable:   9999999999999999 kB\n", encoding="ascii")
    monkeypatch.setattr(age, "_MEMORY", tmp_path / "meminfo")


@pytest.mark.usefixtures("endless_memory")
def test_a_work_factor_too_high_for_this_machine_is_not_called_damage() -> None:
    locked = age_scrypt.lock(b"content", "correct horse", CHEAP)
    dear = re.sub(rb"(-> scrypt \S+) \d+", rb"\1 40", locked, count=1)
    assert dear != locked
    with pytest.raises(age.TooMuchWorkError, match="would take too long") as told:
        age.decrypt_with_passphrase(dear, "correct horse", "identity.age")
    assert told.value.next_move == "Try again when the machine has less to do."


def test_a_machine_that_was_busy_for_a_moment_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    locked = age_scrypt.lock(b"content", "correct horse", CHEAP)
    really, busy = pyrage.passphrase.decrypt, iter((True, True))

    def decrypt(content: bytes, passphrase: str) -> bytes:
        if next(busy, False):
            raise pyrage.DecryptError("Excessive work parameter for passphrase.\nDecryption would take 32 seconds.")
        return bytes(really(content, passphrase))

    monkeypatch.setattr(pyrage.passphrase, "decrypt", decrypt)
    assert age.decrypt_with_passphrase(locked, "correct horse", "identity.age") == b"content"


def test_one_that_takes_more_memory_than_is_free_is_not_even_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  2000000 kB\nMemAvailable:     900 kB\n", encoding="ascii")
    monkeypatch.setattr(age, "_MEMORY", tmp_path / "meminfo")
    locked = age_scrypt.lock(b"content", "correct horse", CHEAP)
    with pytest.raises(age.TooMuchWorkError, match="more memory than is free") as told:
        age.decrypt_with_passphrase(locked, "correct horse", "identity.age")
    assert told.value.why == "its work factor is 10: 1 MB for a moment, and 1 MB are free"


@pytest.mark.parametrize("size", [0, 1, age_scrypt.CONTENT_BYTES_MAX])
def test_what_we_lock_opens_again(size: int) -> None:
    content = b"\x07" * size
    assert age.decrypt_with_passphrase(age_scrypt.lock(content, PASSPHRASE, CHEAP), PASSPHRASE, "x") == content


def test_what_does_not_fit_into_one_chunk_is_not_locked() -> None:
    with pytest.raises(ValueError, match="65537 bytes"):
        age_scrypt.lock(bytes(age_scrypt.CONTENT_BYTES_MAX + 1), PASSPHRASE, CHEAP)


@pytest.mark.parametrize("armored", [False, True])
def test_the_work_factor_is_read_off_what_others_lock(armored: bool) -> None:
    locked = pyrage.passphrase.encrypt(b"content", PASSPHRASE, armored=armored)
    factor = age_scrypt.work_factor_of(locked)
    assert factor is not None
    assert 10 <= factor <= 22


def test_what_no_passphrase_opens_has_no_work_factor() -> None:
    secret, recipient = age.new_identity()
    assert secret
    assert age_scrypt.work_factor_of(pyrage.encrypt(b"x", [pyrage.x25519.Recipient.from_str(recipient)])) is None
    assert age_scrypt.work_factor_of(b"-----BEGIN AGE ENCRYPTED FILE-----\n!") is None
    assert age_scrypt.work_factor_of(b"") is None


def test_the_work_factor_of_ours_is_the_same_on_every_machine() -> None:
    locked = age_scrypt.lock(b"content", PASSPHRASE)
    assert age_scrypt.work_factor_of(locked) == age_scrypt.WORK_FACTOR
    assert age_scrypt.memory_bytes(age_scrypt.WORK_FACTOR) == 64 << 20
