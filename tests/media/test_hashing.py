"""What goes by is hashed: all of it, whoever is slower."""

import hashlib
from collections.abc import Iterator
from threading import active_count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.media.hashing import hashed


@given(pieces=st.lists(st.binary(max_size=50)))
def test_the_pieces_come_as_they_are_and_each_digest_is_of_all_of_them(pieces: list[bytes]) -> None:
    whole, second = hashlib.sha256(), hashlib.sha256()
    with hashed(pieces, {whole, second}) as passing:
        assert list(passing) == pieces
    assert whole.digest() == second.digest() == hashlib.sha256(b"".join(pieces)).digest()


def test_a_source_that_fails_is_told_to_whoever_reads() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"first"
        raise OSError("it was pulled out")

    digest = hashlib.sha256()
    with pytest.raises(OSError, match="pulled out"), hashed(pieces(), {digest}) as passing:
        list(passing)
    assert digest.digest() == hashlib.sha256(b"first").digest(), "nothing is still on its way"


def test_whoever_leaves_in_the_middle_leaves_nobody_at_work() -> None:
    before, digest = active_count(), hashlib.sha256()
    with hashed([b"first", b"second"], {digest}) as passing:
        assert next(passing) == b"first"
    assert active_count() == before
    assert digest.digest() == hashlib.sha256(b"first").digest()
