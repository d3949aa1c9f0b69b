"""What a stick says that it carries: nothing of it is believed that no rebox would write."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from toolkit.disks.volumes import check_name
from toolkit.media.cargo import (
    MANIFEST,
    MARKER,
    MARKER_BYTES_MAX,
    Manifest,
    Marker,
    cargo_of,
    check_path,
    is_ours,
    part_sizes,
    read_manifest,
    read_marker,
    stored_name,
)
from toolkit.model.errors import VerificationError

SHA = "0" * 64
PART = {"name": "0123abcd-0001-a.001", "size_bytes": 3, "sha256": SHA}
GOOD: dict[str, Any] = {
    "format": "rebox-media-1",
    "cargo": "0123abcd",
    "kind": "backup",
    "source": "old box",
    "made_by": "rebox",
    "created": "2026-01-02T03:04:05Z",
    "volume": {"uuid": "1234-ABCD", "kind": "vfat"},
    "files": [{"name": "backup/a", "size_bytes": 3, "sha256": SHA, "parts": [PART]}],
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


def test_a_good_manifest_is_read() -> None:
    manifest = read_manifest(GOOD, "stick")
    assert (manifest.files[0].name, manifest.size_bytes) == ("backup/a", 3)
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def paths(document: Any, so_far: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [so_far, *(path for key, value in inside for path in paths(value, (*so_far, key)))]


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_manifest_is_refused_in_words_or_is_as_good(data: st.DataObject) -> None:
    document = json.loads(json.dumps(GOOD))
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from([path for path in paths(document) if path]))
        place = document
        for step in way:
            place = place[step]
        place[last] = data.draw(JSON)
    try:
        manifest = read_manifest(document, "stick")
    except VerificationError:
        return
    for file in manifest.files:
        check_path(file.name)
        for part in file.parts:
            check_name(part.name)
    assert sum(part.size_bytes for part in manifest.parts()) == manifest.size_bytes


def altered(**changes: Any) -> dict[str, Any]:
    return {**GOOD, **changes}


def file(**changes: Any) -> dict[str, Any]:
    return {**GOOD["files"][0], **changes}


@pytest.mark.parametrize(
    "document",
    [
        altered(format="rebox-media-2"),
        altered(more=1),
        altered(files=[]),
        altered(files=[file(name="../a")]),
        altered(files=[file(name="/etc/passwd")]),
        altered(files=[file(name="a/../../b")]),
        altered(files=[file(name="a\\b")]),
        altered(files=[file(name="a\nb")]),
        altered(files=[file(name="x/" * 30 + "y")]),
        altered(files=[file(name="")]),
        altered(files=[file(), file()]),
        altered(files=[file(), file(name="backup", parts=[], size_bytes=0)]),
        altered(files=[file(size_bytes=4)]),
        altered(files=[file(size_bytes=-1, parts=[])]),
        altered(files=[file(size_bytes=1 << 60, parts=[{**PART, "size_bytes": 1 << 60}])]),
        altered(files=[file(parts=[{**PART, "name": "../../etc/passwd"}])]),
        altered(files=[file(parts=[{**PART, "name": "ffffffff-0001-a"}])]),
        altered(files=[file(parts=[PART, PART], size_bytes=6)]),
        altered(files=[file(sha256="x")]),
        altered(files=[{**file(name=f"f{number}"), "parts": [], "size_bytes": 0} for number in range(5001)]),
        altered(created="yesterday"),
        altered(kind="malware"),
        altered(cargo="x"),
    ],
)
def test_what_leads_out_or_does_not_fit_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(VerificationError, match="cannot be used"):
        read_manifest(document, "stick")


@given(cargo=st.from_regex(r"[0-9a-f]{8}", fullmatch=True), manifest=st.from_regex(r"[0-9a-f]{64}", fullmatch=True))
def test_a_marker_says_what_it_was_made_from(cargo: str, manifest: str) -> None:
    marker = Marker(cargo, "backup", manifest)
    assert read_marker(marker.content()) == marker
    assert read_marker(marker.content().replace(b"\n", b"\r\n")) == marker
    assert len(marker.content()) < MARKER_BYTES_MAX


@given(st.binary(max_size=600))
def test_any_bytes_are_a_marker_or_none(content: bytes) -> None:
    assert read_marker(content) is None


@given(size=st.integers(0, 10_000), part=st.integers(1, 700))
def test_parts_are_never_empty_never_too_large_and_make_up_the_file(size: int, part: int) -> None:
    sizes = part_sizes(size, part)
    assert sum(sizes) == size
    assert all(0 < each <= part for each in sizes)
    assert len(sizes) == -(-size // part)


@given(name=st.text(min_size=1), number=st.integers(1, 5000), part=st.integers(1, 999), parts=st.integers(1, 999))
def test_a_stored_name_is_fit_for_every_stick_and_known_as_ours(name: str, number: int, part: int, parts: int) -> None:
    stored = stored_name("0123abcd", number, name, part, parts)
    assert check_name(stored) == stored
    assert cargo_of(stored) == "0123abcd"
    assert is_ours(stored)
    assert is_ours(f".{stored}")
    assert is_ours(f"{stored}-part")
    Manifest.model_validate_json(
        json.dumps(altered(files=[file(parts=[{**PART, "name": stored}])]))
    )  # and is taken from a manifest


@pytest.mark.parametrize("name", ["holiday.jpg", "0001-settings.age", "", ".", "rebox.txt.bak", "0123abcd"])
def test_what_others_keep_in_our_folder_is_not_ours(name: str) -> None:
    assert not is_ours(name)


def test_marker_and_manifest_are_ours_also_half_written() -> None:
    assert all(is_ours(name) for name in (MARKER, MANIFEST, f".{MANIFEST}", f"{MANIFEST}-part"))


@given(st.text())
def test_a_path_stays_below_or_is_none(name: str) -> None:
    try:
        check_path(name)
    except ValueError:
        return
    assert not name.startswith("/")
    assert ".." not in name.split("/")


def test_a_manifest_is_made_of_checked_facts_only() -> None:
    with pytest.raises(ValidationError):
        Manifest.model_validate({**GOOD, "files": ()})
