"""A sealed file is opened by the plain tools, opens what they wrote, and shows every cut and every altered bit."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backup.conftest import Key, KeyFile
from toolkit.backup.age import MissingIdentityError, WrongIdentityError
from toolkit.backup.sealed import Sealed, read_through, seal, unsealed
from toolkit.model.errors import BackupError, InputError

SMALL = b"".join(os.urandom(20) * 50 for _ in range(200))


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def opened(path: Path, key: Key, expected: Sealed | None = None) -> bytes:
    with unsealed(path, [key.identity], expected) as stream:
        return stream.read()


def test_what_goes_in_comes_out(tmp_path: Path, key: Key) -> None:
    sealed = seal([SMALL[:100], b"", SMALL[100:]], tmp_path / "x.zst.age", [key.recipient])
    assert opened(tmp_path / "x.zst.age", key, sealed) == SMALL
    assert sealed.plain_size_bytes == len(SMALL)
    assert sealed.size_bytes == (tmp_path / "x.zst.age").stat().st_size
    assert (tmp_path / "x.zst.age").stat().st_mode & 0o777 == 0o600


def test_nothing_at_all_can_be_sealed_too(tmp_path: Path, key: Key) -> None:
    sealed = seal([], tmp_path / "x.zst.age", [key.recipient])
    assert opened(tmp_path / "x.zst.age", key, sealed) == b""


def test_every_recipient_can_open_it_and_nobody_else(
    tmp_path: Path, key: Key, other_key: Key, key_file: KeyFile
) -> None:
    path = tmp_path / "x.zst.age"
    seal([SMALL], path, [key.recipient, key_file.recipient])
    assert opened(path, key) == SMALL
    with unsealed(path, key_file.identities) as stream:
        assert stream.read() == SMALL
    with pytest.raises(WrongIdentityError, match=r"x\.zst\.age: none of the given identities opens it"):
        opened(path, other_key)


def test_without_an_identity_it_says_so(tmp_path: Path, key: Key) -> None:
    seal([SMALL], tmp_path / "x.zst.age", [key.recipient])
    with unsealed(tmp_path / "x.zst.age", []) as stream, pytest.raises(MissingIdentityError):
        stream.read()


def test_a_missing_file_is_named(tmp_path: Path, key: Key) -> None:
    with pytest.raises(BackupError, match=r"gone\.age: it is missing"):
        opened(tmp_path / "gone.age", key)


def test_age_and_zstd_open_what_we_write(tmp_path: Path, key: Key) -> None:
    seal([SMALL], tmp_path / "x.zst.age", [key.recipient])
    (tmp_path / "identity").write_text(f"{key.identity}\n")
    command = f"age -d -i {tmp_path}/identity {tmp_path}/x.zst.age | zstd -dq"
    assert subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True, capture_output=True).stdout == SMALL


@pytest.mark.parametrize("armor", [[], ["-a"]])
def test_we_open_what_age_and_zstd_write(tmp_path: Path, key: Key, armor: list[str]) -> None:
    compressed = subprocess.run(["zstd", "-qc"], input=SMALL, check=True, capture_output=True).stdout
    encrypted = subprocess.run(["age", *armor, "-r", key.recipient], input=compressed, check=True, capture_output=True)
    (tmp_path / "x.zst.age").write_bytes(encrypted.stdout)
    assert opened(tmp_path / "x.zst.age", key) == SMALL


def test_a_reader_that_leaves_early_leaves_nothing_behind(tmp_path: Path, key: Key) -> None:
    before = _descriptors()
    seal((os.urandom(1 << 20) for _ in range(8)), tmp_path / "x.zst.age", [key.recipient])
    with unsealed(tmp_path / "x.zst.age", [key.identity]) as stream:
        assert len(stream.read(10)) == 10
    assert _descriptors() == before


def test_an_error_of_the_source_comes_out_as_it_is_and_leaves_nothing(tmp_path: Path, key: Key) -> None:
    def breaking() -> Iterator[bytes]:
        yield SMALL
        raise KeyError("the source's own")

    with pytest.raises(KeyError, match="the source's own"):
        seal(breaking(), tmp_path / "x.zst.age", [key.recipient])
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_stays_when_the_new_one_fails(tmp_path: Path, key: Key) -> None:
    path = tmp_path / "x.zst.age"
    sealed = seal([SMALL], path, [key.recipient])

    def interrupted() -> Iterator[bytes]:
        yield SMALL
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seal(interrupted(), path, [key.recipient])
    assert opened(path, key, sealed) == SMALL


@pytest.mark.parametrize("recipients", [[], ["age1nonsense"], ["AGE-SECRET-KEY-1QQQ"]])
def test_wrong_recipients_are_refused_before_anything_is_written(tmp_path: Path, recipients: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        seal([SMALL], tmp_path / "x.zst.age", recipients)
    assert "1QQQ" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def sealed_files(key: Key, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Empty, tiny, just over one block of age (64 KiB), and several: what stands where differs between them."""
    folder = tmp_path_factory.mktemp("sealed")
    contents = [b"", b"x", os.urandom(65_600), os.urandom(200_000)]
    for number, content in enumerate(contents):
        seal([content], folder / str(number), [key.recipient])
    return [(folder / str(number)).read_bytes() for number in range(len(contents))]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 3), position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7) | st.none())
def test_any_altered_bit_and_any_cut_shows_when_it_is_opened(
    which: int, position: float, bit: int | None, tmp_path: Path, key: Key, sealed_files: list[bytes]
) -> None:
    whole = sealed_files[which]
    at = int(position * len(whole))
    damaged = whole[:at] if bit is None else whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :]
    (tmp_path / "x.zst.age").write_bytes(damaged)
    with pytest.raises(BackupError, match=r"x\.zst\.age"):
        opened(tmp_path / "x.zst.age", key)


def test_content_that_is_whole_but_another_is_noticed(tmp_path: Path, key: Key) -> None:
    expected = seal([SMALL], tmp_path / "x.zst.age", [key.recipient])
    seal([SMALL[:-1]], tmp_path / "x.zst.age", [key.recipient])
    with pytest.raises(BackupError, match="not what the manifest says"):
        opened(tmp_path / "x.zst.age", key, expected)


LARGE = """
import os, resource, sys
from pathlib import Path
from toolkit.backup import age, sealed as module
from toolkit.backup.sealed import read_through, seal, unsealed

module._THREADS = 8  # as on a larger machine than this one may be
SIZE = int(sys.argv[2])

def high_water_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

secret, recipient = age.new_identity()
path = Path(sys.argv[1])
before = high_water_mib()
noise = os.urandom(9 << 20)  # recordings are compressed already; what repeats is farther away than zstd looks
piece = 1 << 20
starts = (number * 7919 % (8 << 20) for number in range(SIZE // piece))
sealed = seal((noise[start : start + piece] for start in starts), path, [recipient])
assert sealed.plain_size_bytes == SIZE
with unsealed(path, [age.identity(secret)], sealed) as stream:
    assert sum(read_through(stream)) == SIZE
print(high_water_mib() - before)
"""


def test_what_cannot_be_compressed_takes_no_more_memory_than_a_few_buffers_at_any_number_of_processors(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-W", "error", "-c", LARGE, str(tmp_path / "x.zst.age"), str(256 << 20)]
    grown_mib = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert grown_mib < 48


def test_reading_through_counts_every_byte() -> None:
    assert sum(read_through(io.BytesIO(bytes(3_000_000)))) == 3_000_000
