"""Nothing that a stick carries is handed over before all of it was proven; what comes off is whole or not there."""

import hashlib
import os
import signal
from pathlib import Path

import pytest

from tests.disks.block_devices import image, only_root, run
from tests.media.carrying import (
    FILES,
    PART_BYTES,
    Meddling,
    a_stick,
    again,
    carry,
    check,
    lies_in,
    quiet,
    something,
)
from toolkit.disks.volumes import FOLDER
from toolkit.media.cargo import MANIFEST, MANIFEST_BYTES_MAX, MARKER, Manifest, Marker
from toolkit.media.carrier import Carrier
from toolkit.media.read import look, read
from toolkit.model.errors import InputError, MediaError, StorageError, UnknownStateError, VerificationError
from toolkit.signing import own_key, trusted_signers

KINDS = [
    "image",
    pytest.param("ext4", marks=only_root),
    pytest.param("exfat", marks=only_root),
]


def take(carrier: Carrier, folder: Path, *, copied: bool = False) -> Manifest:
    trusted = trusted_signers(folder / "state")
    return read(carrier, folder / "taken", trusted, quiet, copied=copied).manifest


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_carried_is_there_joined_and_byte_for_byte(tmp_path: Path, kind: str) -> None:
    with a_stick(tmp_path, kind) as carrier:
        written = carry(carrier, something(tmp_path), tmp_path / "state")
    with again(tmp_path / "stick.img", kind) as carrier:
        assert take(carrier, tmp_path) == written
        assert look(carrier, trusted_signers(tmp_path / "state")).manifest == written
    assert lies_in(tmp_path / "taken") == FILES
    assert (tmp_path / "taken/backup/settings.age").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / ".taken.part").exists()


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    with a_stick(tmp_path, "image") as carrier:
        carry(carrier, something(tmp_path), tmp_path / "state")
        (tmp_path / "taken").mkdir()
        (tmp_path / "taken/mine").write_text("mine")
        with pytest.raises(InputError, match="something is there already"):
            take(carrier, tmp_path)
    assert lies_in(tmp_path / "taken") == {"mine": b"mine"}


def nothing_was_taken(folder: Path) -> bool:
    return not (folder / "taken").exists() and not (folder / ".taken.part").exists()


@pytest.mark.parametrize("number", range(6))
def test_a_bit_that_changed_anywhere_is_found_and_nothing_is_taken(tmp_path: Path, number: int) -> None:
    with a_stick(tmp_path, "image") as carrier:
        carry(carrier, something(tmp_path), tmp_path / "state")
        with carrier.open(writing=True) as volume:
            name = volume.names()[number]
            content = bytearray(b"".join(volume.read(name)))
            at = content.index(b"sha256") + 20 if name in {MANIFEST, MARKER} else len(content) // 2
            content[at] ^= 1
            volume.write(name, [bytes(content)])
        with pytest.raises(VerificationError):
            check(carrier, tmp_path / "state")
        with pytest.raises(VerificationError):
            take(carrier, tmp_path)
    assert nothing_was_taken(tmp_path)


@pytest.mark.parametrize("change", ["longer", "shorter", "missing"])
def test_a_part_that_is_longer_shorter_or_missing_is_found(tmp_path: Path, change: str) -> None:
    with a_stick(tmp_path, "image") as carrier:
        manifest = carry(carrier, something(tmp_path), tmp_path / "state")
        part = manifest.parts()[-1]
        with carrier.open(writing=True) as volume:
            content = b"".join(volume.read(part.name))
            if change == "missing":
                volume.remove(part.name)
            else:
                volume.write(part.name, [content + b"x" * 2_000_000 if change == "longer" else content[:-1]])
        with pytest.raises((VerificationError, MediaError), match="settings"):
            take(carrier, tmp_path)
    assert nothing_was_taken(tmp_path)


def test_a_copy_on_another_stick_is_taken_only_on_purpose(tmp_path: Path) -> None:
    with a_stick(tmp_path, "image") as first:
        carry(first, something(tmp_path), tmp_path / "state")
    run("mcopy", "-s", "-i", first.stick.path, f"::/{FOLDER}", tmp_path / FOLDER)
    other = image(tmp_path / "other.img", "vfat")
    run("mcopy", "-s", "-i", other, tmp_path / FOLDER, "::/")
    with again(other, "image") as carrier:
        with pytest.raises(VerificationError, match="written to another stick"):
            take(carrier, tmp_path)
        assert take(carrier, tmp_path, copied=True).volume.uuid == first.volume_uuid
    assert lies_in(tmp_path / "taken") == FILES


def test_nothing_there_is_unknown_and_half_of_it_is_no_pass(tmp_path: Path) -> None:
    with a_stick(tmp_path, "image") as carrier:
        with pytest.raises(UnknownStateError, match="nothing was written"):
            take(carrier, tmp_path)
        carry(carrier, something(tmp_path), tmp_path / "state")
        with carrier.open(writing=True) as volume:
            volume.remove(MARKER)
        with pytest.raises(VerificationError, match="not completed"):
            take(carrier, tmp_path)
    assert nothing_was_taken(tmp_path)


@pytest.mark.parametrize("name", [MARKER, MANIFEST])
def test_an_absurdly_large_marker_or_manifest_is_not_read_to_its_end(tmp_path: Path, name: str) -> None:
    with a_stick(tmp_path, "image") as carrier:
        carry(carrier, something(tmp_path), tmp_path / "state")
        with carrier.open(writing=True) as volume:
            volume.write(name, [b"[" * (1 << 20)] * (MANIFEST_BYTES_MAX // (1 << 20) + 1))
        with pytest.raises(MediaError, match="does not do what it should") as refused:
            take(carrier, tmp_path)
        assert "larger than" in refused.value.why


@only_root
def test_parts_that_are_links_to_this_machines_files_are_not_followed(tmp_path: Path) -> None:
    """A stranger's stick cannot have /etc/shadow, or anything else of ours, copied for it."""
    place = tmp_path / "place"
    place.mkdir()
    with a_stick(tmp_path, "ext4") as carrier:
        manifest = carry(carrier, something(tmp_path), tmp_path / "state")
        part = manifest.parts()[-1]
        run("mount", carrier.stick.path, place)
        (tmp_path / "same").write_bytes((place / FOLDER / part.name).read_bytes())
        (place / FOLDER / part.name).unlink()
        (place / FOLDER / part.name).symlink_to(tmp_path / "same")
        run("umount", place)
        with pytest.raises(MediaError, match=part.name):
            take(carrier, tmp_path)
    assert nothing_was_taken(tmp_path)


@only_root
def test_a_full_disk_is_named_and_nothing_half_is_left(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    with a_stick(tmp_path, "image") as carrier:
        carry(carrier, something(tmp_path), tmp_path / "state")
        run("mount", "-t", "tmpfs", "-o", "size=300k", "small", tmp_path / "small")
        try:
            with pytest.raises(StorageError, match="cannot be put there") as refused:
                read(carrier, tmp_path / "small/taken", trusted_signers(tmp_path / "state"), quiet)
            assert "MB are free" in refused.value.why
            assert not [*(tmp_path / "small").iterdir()]
        finally:
            run("umount", tmp_path / "small")


def test_killed_in_the_midst_nothing_is_there_and_the_next_one_clears_up(tmp_path: Path) -> None:
    with a_stick(tmp_path, "image") as carrier:
        carry(carrier, something(tmp_path), tmp_path / "state")
        child = os.fork()
        if not child:

            def before(what: str) -> None:
                if what.endswith(".002"):
                    os.kill(os.getpid(), signal.SIGKILL)

            take(Meddling(carrier, before), tmp_path)
            os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        assert not (tmp_path / "taken").exists()
        assert (tmp_path / ".taken.part").exists()
        take(carrier, tmp_path)
    assert lies_in(tmp_path / "taken") == FILES
    assert not (tmp_path / ".taken.part").exists()


@pytest.mark.parametrize("kind", ["image", pytest.param("ext4", marks=only_root)])
def test_a_stick_that_goes_while_it_is_read_leaves_nothing(tmp_path: Path, kind: str) -> None:
    with a_stick(tmp_path, kind) as carrier:
        carry(carrier, something(tmp_path), tmp_path / "state")

        def before(what: str) -> None:
            if what.endswith(".002"):
                os.truncate(tmp_path / "stick.img", PART_BYTES)

        with pytest.raises((MediaError, VerificationError)):
            take(Meddling(carrier, before), tmp_path)
    assert nothing_was_taken(tmp_path)


def test_a_manifest_signed_by_us_for_another_purpose_is_none(tmp_path: Path) -> None:
    """The same key signs other documents too: one of those is no manifest."""
    with a_stick(tmp_path, "image") as carrier:
        signed = own_key(tmp_path / "state").sign({"record": "erasure", "serial": "4711"})
        with carrier.open(writing=True) as volume:
            volume.write(MANIFEST, [signed])
            volume.write(MARKER, [Marker("0123abcd", "backup", hashlib.sha256(signed).hexdigest()).content()])
        with pytest.raises(VerificationError, match="cannot be used"):
            take(carrier, tmp_path)
