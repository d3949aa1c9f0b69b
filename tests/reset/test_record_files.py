"""Each erasure gets a record and a page, once, and nothing that is there is lost."""

import hashlib
import stat
from pathlib import Path

import pytest
from hypothesis import given

from tests.reset.erasures import an_erasure, words
from toolkit.model.errors import StorageError
from toolkit.reset.record import RecordContext, open_record
from toolkit.reset.record_files import file_stem, page_of, records_in, write_records
from toolkit.signing import own_key

NOTHING = RecordContext()


def test_a_record_and_its_page_are_everybodys_to_read(tmp_path: Path) -> None:
    key = own_key(tmp_path / "state")
    folder = tmp_path / "run" / "erasure"
    first, second = write_records(folder, [an_erasure(), an_erasure(serial_number="A/B ü")], NOTHING, key)
    assert [path.name for path in (first, second)] == ["S5GYNX0T100001.erasure.json", "A%2FB%20%C3%BC.erasure.json"]
    assert list(records_in(folder)) == [second, first]
    assert open_record(first, {key.public}).record.erasure == an_erasure()
    page = page_of(first).read_text()
    groups = hashlib.sha256(first.read_bytes()).hexdigest()
    assert groups in page.replace(" ", "")
    assert key.public.replace("+", "&#43;") in page or key.public in page
    assert {stat.S_IMODE(path.stat().st_mode) & ~0o022 for path in folder.iterdir()} == {0o644}


def test_done_again_it_changes_nothing_and_another_erasure_of_the_disk_is_kept_beside_it(tmp_path: Path) -> None:
    key = own_key(tmp_path / "state")
    cut_off = an_erasure(result="unknown", reason="The wipe was cut off.")
    write = [[cut_off], [cut_off], [an_erasure(again=True)], [an_erasure(again=True)], [cut_off]]
    names = [write_records(tmp_path / "r", erasures, NOTHING, key)[0].name for erasures in write]
    assert names == [f"S5GYNX0T100001{more}.erasure.json" for more in ("", "", "~2", "~2", "")]
    assert len(list((tmp_path / "r").iterdir())) == 4


def test_a_page_that_was_not_written_any_more_is_written_the_next_time(tmp_path: Path) -> None:
    key = own_key(tmp_path / "state")
    (path,) = write_records(tmp_path, [an_erasure()], NOTHING, key)
    page = page_of(path).read_bytes()
    page_of(path).unlink()
    assert write_records(tmp_path, [an_erasure()], NOTHING, key) == (path,)
    assert page_of(path).read_bytes() == page


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="nothing is erased twice"):
        write_records(tmp_path / "file" / "erasure", [an_erasure()], NOTHING, own_key(tmp_path / "state"))


@given(words, words)
def test_no_two_serial_numbers_share_a_name(one: str, other: str) -> None:
    assert (file_stem(one) == file_stem(other)) is (one == other)
    assert "/" not in file_stem(one)
    assert not file_stem(one).startswith(".")


def test_a_long_serial_number_still_is_a_name() -> None:
    one, other = file_stem("/" * 4000 + "a"), file_stem("/" * 4000 + "b")
    assert one != other
    assert len(one) < 150
