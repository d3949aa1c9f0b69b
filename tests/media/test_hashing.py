"""What goes by is hashed: all of it, whoever is slower."""

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.media.hashing import hashed


@given(pieces=st.lists(st.binary(max_size=50)))
def test_the_pieces_come_as_they_are_and_each_digest_is_of_all_of_them(pieces: list[bytes]) -> None:
    whole, second = hashlib.sha256(), hashlib.sha256()
    assert list(hashed(pieces, {whole, second})) == pieces
    assert whole.digest() == second.digest() == hashlib.sha256(b"".join(pieces)).digest()


def test_a_source_that_fails_is_told_to_whoever_reads() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise OSError("it was pulled out")

    digest = hashlib.sha256()
    with pytest.raises(OSError, match="pulled out"):
        list(hashed(pieces(), {digest}))
    assert digest.digest() == hashlib.sha256(b"first").digest(), "nothing is still on its way"
