"""Documents signed with the toolkit's own key: any altered bit shows, and a stranger's signature counts for nothing."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.model.errors import InputError, VerificationError
from toolkit.signing import KEY, TRUSTED, open_signed, own_key, trusted_signers

DOCUMENT = {"holds": "backup", "bytes": 17, "words": "Größe", "files": [{"name": "a", "sha256": "0" * 64}]}


def test_the_key_is_made_once_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    first = own_key(tmp_path / "state")
    assert own_key(tmp_path / "state").public == first.public
    assert stat.S_IMODE((tmp_path / "state" / KEY).stat().st_mode) == 0o600
    (tmp_path / "state" / KEY).chmod(0o640)
    with pytest.raises(InputError, match="read by others"):
        own_key(tmp_path / "state")


def test_what_was_signed_is_read_by_whoever_trusts_the_signer(tmp_path: Path) -> None:
    ours, theirs = own_key(tmp_path / "ours"), own_key(tmp_path / "theirs")
    signed = theirs.sign(DOCUMENT)
    with pytest.raises(VerificationError, match="a stranger has signed this") as refused:
        open_signed(signed, trusted_signers(tmp_path / "ours"), "stick")
    assert theirs.public in refused.value.why
    (tmp_path / "ours" / TRUSTED).write_text(f"# the other site\n{theirs.public}  # laptop\n")
    assert open_signed(signed, trusted_signers(tmp_path / "ours"), "stick") == (DOCUMENT, theirs.public)
    assert open_signed(ours.sign(DOCUMENT), {ours.public}, "stick")[0] == DOCUMENT


def test_another_layout_of_the_same_document_is_the_same_document(tmp_path: Path) -> None:
    key = own_key(tmp_path)
    again = json.dumps(json.loads(key.sign(DOCUMENT)), sort_keys=True).encode()
    assert open_signed(again, {key.public}, "stick")[0] == DOCUMENT


KEY_FOR_ALL: list[Any] = []


@given(place=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_any_altered_bit_is_refused_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    if not KEY_FOR_ALL:
        KEY_FOR_ALL.append(own_key(tmp_path_factory.mktemp("key")))
    key = KEY_FOR_ALL[0]
    content = bytearray(key.sign(DOCUMENT))
    content[place % len(content)] ^= 1 << bit
    try:
        document, signer = open_signed(bytes(content), {key.public}, "stick")
    except VerificationError:
        return
    assert (document, signer) == (DOCUMENT, key.public)  # white space is all that may differ


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"document": 1, "signature": {}}', b"[" * 100_000])
def test_what_is_no_signed_document_is_told_so(content: bytes) -> None:
    with pytest.raises(VerificationError, match="does not match"):
        open_signed(content, set(), "stick")


@pytest.mark.parametrize("line", ["ssh-ed25519 AAAA", "ed25519:", "ed25519:AAAA", "ed25519:%%%"])
def test_a_line_that_is_no_key_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / TRUSTED).write_text(f"\n{line}\n")
    with pytest.raises(InputError) as refused:
        trusted_signers(tmp_path)
    assert refused.value.where.endswith(f"{TRUSTED}:2")


def test_a_damaged_key_is_never_replaced_by_a_new_one(tmp_path: Path) -> None:
    (tmp_path / KEY).write_text("nonsense")
    (tmp_path / KEY).chmod(0o600)
    with pytest.raises(InputError, match="no Ed25519 private key"):
        own_key(tmp_path)
    assert (tmp_path / KEY).read_text() == "nonsense"
