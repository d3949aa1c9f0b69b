"""Backups cut, altered, and opened with the wrong passphrase."""

import io
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.emulator.appliance.backup_format import Header, read_header, read_lines, write_backup
from toolkit.emulator.appliance.refusal import Refusal


def _backup(lines: list[bytes], passphrase: str | None) -> bytes:
    header = Header.fresh(
        site_version="Bomgar-12.1.6", base_version="3.3.2", serial_number="OLD-1", created=datetime.now(UTC)
    ).model_copy(update={"scrypt_log2_n": 10})
    target = io.BytesIO()
    write_backup(target, header, lines, passphrase)
    return target.getvalue()


def _read(content: bytes, passphrase: str | None) -> list[bytes]:
    return list(read_lines(io.BytesIO(content), passphrase))


LINES = [b"a line", b"", b"another one " * 40_000]
WITH_PASSPHRASE = _backup(LINES, "open sesame")
WITHOUT = _backup(LINES, None)


@given(st.lists(st.binary(max_size=300).filter(lambda line: b"\n" not in line)), st.none() | st.text(min_size=1))
def test_what_was_written_is_read(lines: list[bytes], passphrase: str | None) -> None:
    assert _read(_backup(lines, passphrase), passphrase) == lines


def test_many_chunks_are_read() -> None:
    # random text does not shrink: this one needs several chunks
    lines = [datetime.now(UTC).isoformat().encode() * 3, *(bytes([n % 9 + 65]) * 5 for n in range(9))]
    lines += [random.Random(number).randbytes(3000).replace(b"\n", b"") for number in range(100)]
    assert _read(_backup(lines, None), None) == lines


@pytest.mark.parametrize("content", [WITH_PASSPHRASE, WITHOUT])
@given(data=st.data())
def test_one_altered_bit_is_noticed_wherever_it_is(content: bytes, data: st.DataObject) -> None:
    altered = bytearray(content)
    altered[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Refusal) as refused:
        _read(bytes(altered), "open sesame")
    assert refused.value.status == 422
    assert refused.value.code in ("corrupt_backup", "wrong_passphrase")


@pytest.mark.parametrize("content", [WITH_PASSPHRASE, WITHOUT])
@given(data=st.data())
def test_a_cut_is_noticed_wherever_it_is(content: bytes, data: st.DataObject) -> None:
    with pytest.raises(Refusal) as refused:
        _read(content[: data.draw(st.integers(0, len(content) - 1))], "open sesame")
    assert refused.value.code == "corrupt_backup"


def test_something_behind_the_end_is_noticed() -> None:
    with pytest.raises(Refusal) as refused:
        _read(WITHOUT + b"\0", None)
    assert refused.value.code == "corrupt_backup"


@pytest.mark.parametrize(
    ("passphrase", "code"), [(None, "passphrase_required"), ("", "passphrase_required"), ("Open", "wrong_passphrase")]
)
def test_the_passphrase_must_be_right(passphrase: str | None, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        _read(WITH_PASSPHRASE, passphrase)
    assert refused.value.code == code


def test_what_made_it_can_be_read_without_the_passphrase() -> None:
    assert read_header(io.BytesIO(WITH_PASSPHRASE)).serial_number == "OLD-1"


@given(st.binary(max_size=2000))
def test_any_other_file_is_refused(content: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        _read(content, None)
    assert refused.value.code == "corrupt_backup"
