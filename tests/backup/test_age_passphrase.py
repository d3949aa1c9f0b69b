"""A file locked with a passphrase: what keeps it from being opened is told apart."""

import re

import pyrage  # type: ignore[import-untyped,unused-ignore]
import pytest

from toolkit.backup import age


def test_a_work_factor_too_high_for_this_machine_is_not_called_damage() -> None:
    locked = age.encrypt_with_passphrase(b"content", "correct horse")
    dear = re.sub(rb"(-> scrypt \S+) \d+", rb"\1 40", locked, count=1)
    assert dear != locked
    with pytest.raises(age.TooMuchWorkError, match="would take too long") as told:
        age.decrypt_with_passphrase(dear, "correct horse", "identity.age")
    assert told.value.next_move == "Try again when the machine has less to do."


def test_a_machine_that_was_busy_for_a_moment_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    locked = age.encrypt_with_passphrase(b"content", "correct horse")
    really, busy = pyrage.passphrase.decrypt, iter((True, True))

    def decrypt(content: bytes, passphrase: str) -> bytes:
        if next(busy, False):
            raise pyrage.DecryptError("Excessive work parameter for passphrase.\nDecryption would take 32 seconds.")
        return bytes(really(content, passphrase))

    monkeypatch.setattr(pyrage.passphrase, "decrypt", decrypt)
    assert age.decrypt_with_passphrase(locked, "correct horse", "identity.age") == b"content"
