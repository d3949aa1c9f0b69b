"""Sealed files: no other bit is believed, an older toolkit's file is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.storage.sealed import Sealed


class Note(Sealed):
    words: str
    number: int = 0


@given(st.text(), st.integers())
def test_what_was_written_is_read(words: str, number: int) -> None:
    found = Note.read_sealed(Note(words=words, number=number).sealed_json())
    assert (found.words, found.number) == (words, number)
    assert Note.read_sealed(found.sealed_json()) == found


@given(st.data())
def test_another_bit_is_never_believed(data: st.DataObject) -> None:
    note = Note(words="the box is in quarantine", number=7)
    content = bytearray(note.sealed_json())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = Note.read_sealed(bytes(content))
    except ValueError:
        return
    assert (found.words, found.number) == (note.words, note.number)  # a space became another one


def test_a_file_of_an_older_toolkit_is_read_as_it_is() -> None:
    assert Note.read_sealed(b'{"words": "x"}').words == "x"
    with pytest.raises(ValueError, match="sha257"):
        Note.read_sealed(b'{"words": "x", "sha257": "1"}')
