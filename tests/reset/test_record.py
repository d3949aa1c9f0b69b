"""A record says what was known and nothing else; whoever alters it, cuts it or makes one up is found out."""

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reset.erasures import a_record, records
from toolkit.model.errors import InputError, ReboxError, VerificationError
from toolkit.model.verdict import Verdict
from toolkit.reset.record import (
    ANYBODY,
    RECORD_BYTES_MAX,
    Record,
    as_signed,
    open_record,
    read_record,
    sign_record,
)
from toolkit.signing import SigningKey, own_key


@cache
def key() -> SigningKey:
    return own_key(Path(mkdtemp(prefix="rebox-record-")))


@given(records)
def test_whatever_was_known_is_read_again(record: Record) -> None:
    content = sign_record(record, key())
    read = read_record(content, {key().public}, "a record")
    assert read.record == as_signed(record)
    assert read.signer == key().public
    assert sign_record(record, key()) == content  # the same record is the same file


@given(st.integers(min_value=0), st.integers(0, 7))
def test_any_altered_bit_is_refused_or_changes_nothing(place: int, bit: int) -> None:
    content = bytearray(sign_record(a_record(), key()))
    content[place % len(content)] ^= 1 << bit
    try:
        read = read_record(bytes(content), {key().public}, "a record")
    except VerificationError:
        return
    assert (read.record, read.signer) == (a_record(), key().public)


@given(st.binary(max_size=300) | st.integers(0, 3000).map(lambda end: sign_record(a_record(), key())[:end]))
def test_what_is_no_record_is_refused_in_words(content: bytes) -> None:
    if content == sign_record(a_record(), key()):
        return
    with pytest.raises(ReboxError) as refused:
        read_record(content, {key().public}, "a record")
    assert refused.value.where == "a record"
    assert refused.value.next_move


def test_a_stranger_counts_only_for_who_asks_nobodys_name() -> None:
    content = sign_record(a_record(), key())
    with pytest.raises(VerificationError, match="a stranger has signed this"):
        read_record(content, frozenset(), "a record")
    assert read_record(content, ANYBODY, "a record").signer == key().public


@pytest.mark.parametrize(
    ("altered", "error", "words"),
    [
        ({"format": "rebox-media-manifest"}, InputError, "another kind"),
        ({"version": 2}, InputError, "this release knows 1"),
        ({"version": [["deep"] * 9] * 9}, InputError, "this release knows 1"),
        ({"erasure": {}}, VerificationError, "erasure.media_type: Field required"),
        ({"extra": 1}, VerificationError, "extra: Extra inputs"),
    ],
)
def test_a_signed_document_of_another_kind_is_named(
    altered: dict[str, Any], error: type[ReboxError], words: str
) -> None:
    document = json.loads(sign_record(a_record(), key()))["document"] | altered
    with pytest.raises(error, match=words):
        read_record(key().sign(document), {key().public}, "a record")


def test_what_is_too_long_is_neither_written_nor_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too long"):
        sign_record(a_record(reason="x" * RECORD_BYTES_MAX), key())
    path = tmp_path / "large.json"
    path.write_bytes(b" " * (RECORD_BYTES_MAX + 1))
    with pytest.raises(InputError, match="no erasure record"):
        open_record(path, ANYBODY)
    with pytest.raises(InputError, match="cannot be read"):
        open_record(tmp_path / "none.json", ANYBODY)


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ({}, Verdict.PASSED),
        ({"verification": "sampled", "verified_bytes": 4096, "verified_fraction": 0.1}, Verdict.PASSED),
        ({"result": "unknown", "reason": "The power failed."}, Verdict.UNKNOWN),
        ({"result": "failed", "reason": "Something is left."}, Verdict.FAILED),
        # passed is what it says, and what it says beside that does not bear it out
        ({"verified_bytes": 4_000_787_030_015}, Verdict.UNKNOWN),
    ],
)
def test_what_was_not_read_back_has_not_passed(told: dict[str, Any], verdict: Verdict) -> None:
    record = a_record(**told)
    assert record.verdict is verdict
    assert bool(record.doubt) is (verdict is not Verdict.PASSED)
