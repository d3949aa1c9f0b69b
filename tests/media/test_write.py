"""A stick that is said to hold something holds it; whatever happens before that, it is known not to."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.disks.block_devices import FailingDisk, image, loop, only_root, run
from tests.media.carrying import (
    FILES,
    PART_BYTES,
    PURPOSE,
    Meddling,
    a_stick,
    again,
    carry,
    check,
    killed_at,
    something,
)
from toolkit.disks.plugged import of_device, with_file_system
from toolkit.disks.volumes import FOLDER
from toolkit.media.cargo import MANIFEST, MARKER, Manifest
from toolkit.media.carrier import Carrier
from toolkit.media.formatting import format_stick
from toolkit.media.local import held
from toolkit.media.sources import sources
from toolkit.media.write import write
from toolkit.model.errors import (
    InputError,
    MediaError,
    ReboxError,
    RefusedError,
    UnknownStateError,
    VerificationError,
)
from toolkit.signing import own_key

KINDS = [
    "image",
    pytest.param("vfat", marks=only_root),
    pytest.param("ext4", marks=only_root),
    pytest.param("exfat", marks=only_root),
]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_is_verified_by_whoever_trusts_the_signer(tmp_path: Path, kind: str) -> None:
    with a_stick(tmp_path, kind) as carrier:
        manifest = carry(carrier, something(tmp_path), tmp_path / "state")
        assert {file.name: len(file.parts) for file in manifest.files} == {
            "backup/below/empty": 0,
            "backup/manifest.json": 1,
            "backup/Größe und Länge.txt": 1,
            "backup/settings.age": 3,
        }
        checked = check(carrier, tmp_path / "state")
        assert (checked.manifest, checked.signer) == (manifest, own_key(tmp_path / "state").public)
        with pytest.raises(VerificationError, match="a stranger has signed this"):
            check(carrier, tmp_path / "another site")
    assert (manifest.volume.uuid, manifest.volume.kind) == (carrier.volume_uuid, carrier.volume_kind)


def test_what_is_complete_stays_until_something_else_is(tmp_path: Path) -> None:
    with a_stick(tmp_path, "image") as carrier:
        first = carry(carrier, something(tmp_path), tmp_path / "state")
        with pytest.raises(RefusedError, match="carries a backup already"):
            carry(carrier, something(tmp_path), tmp_path / "state")
        assert check(carrier, tmp_path / "state").manifest == first
        second = carry(carrier, something(tmp_path), tmp_path / "state", replace=True)
        assert check(carrier, tmp_path / "state").manifest == second
        with carrier.open(writing=False) as volume:
            assert {*volume.names()} == {MARKER, MANIFEST, *(part.name for part in second.parts())}


def test_a_file_of_a_stranger_in_our_folder_is_left_alone(tmp_path: Path) -> None:
    with a_stick(tmp_path, "image") as carrier:
        with carrier.open(writing=True) as volume:
            volume.write("holiday.jpg", [b"not ours"])
        carry(carrier, something(tmp_path), tmp_path / "state")
        with carrier.open(writing=False) as volume:
            assert b"".join(volume.read("holiday.jpg")) == b"not ours"


@pytest.mark.parametrize("kind", KINDS)
def test_too_much_is_refused_before_a_byte_is_written(tmp_path: Path, kind: str) -> None:
    large = something(tmp_path, {"backup/large": bytes(50 << 20)})
    with a_stick(tmp_path, kind) as carrier:
        with pytest.raises(MediaError, match="does not fit") as refused:
            carry(carrier, large, tmp_path / "state")
        assert "MB are free" in refused.value.why
        with pytest.raises(UnknownStateError, match="nothing was written"):
            check(carrier, tmp_path / "state")


def test_a_stick_that_fills_up_meanwhile_is_full_and_nothing_counts(tmp_path: Path) -> None:
    """Somebody else's file takes the room between the look at it and the writing."""
    with a_stick(tmp_path, "image") as carrier:
        (tmp_path / "filler").write_bytes(bytes(38 << 20))

        def before(what: str) -> None:
            if what.startswith("write") and "settings" in what:
                run("mcopy", "-o", "-i", carrier.stick.path, tmp_path / "filler", "::/filler")

        large = something(tmp_path, {"backup/a": bytes(100), "backup/settings": bytes(3 << 20)})
        with pytest.raises(MediaError, match="does not fit"):
            carry(Meddling(carrier, before), large, tmp_path / "state")
        with pytest.raises(VerificationError, match="not completed"):
            check(carrier, tmp_path / "state")


def test_a_stick_that_loses_a_bit_is_found_out_before_it_is_sealed(tmp_path: Path) -> None:
    """Between writing and reading back one bit changes on the stick itself, as failing flash does."""
    with a_stick(tmp_path, "image") as carrier:
        opened = []

        def before(what: str) -> None:
            opened.append(what)
            if what == "open for reading" and opened.count(what) == 1:
                content = bytearray(carrier.stick.path.read_bytes())
                content[content.index(FILES["backup/settings.age"][:PIECE]) + 77] ^= 4
                with carrier.stick.path.open("r+b") as file:
                    file.write(content)

        with pytest.raises(VerificationError, match="does not hold what was written") as refused:
            carry(Meddling(carrier, before), something(tmp_path), tmp_path / "state")
        assert "settings.age" in refused.value.why
        assert not any(what.startswith(f"write {MANIFEST}") for what in opened)
        with pytest.raises(VerificationError, match="not completed"):
            check(carrier, tmp_path / "state")


PIECE = 4096


def test_a_stick_that_forgets_its_manifest_is_found_out(tmp_path: Path) -> None:
    with a_stick(tmp_path, "image") as carrier:
        opened = []

        def before(what: str) -> None:
            opened.append(what)
            if what == "open for reading" and opened.count(what) == 2:
                run("mdel", "-i", carrier.stick.path, f"::/{FOLDER}/{MARKER}")

        with pytest.raises(MediaError, match="does not do what it should"):
            carry(Meddling(carrier, before), something(tmp_path), tmp_path / "state")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("replacing", [False, True])
def test_killed_anywhere_it_is_known_as_unfinished_and_is_written_again(
    tmp_path: Path, kind: str, replacing: bool
) -> None:
    """A real kill -9, at every fourth deed on an image file, at some of them on a device."""
    given, state = something(tmp_path, {"backup/settings.age": bytes(PART_BYTES + 1)}), tmp_path / "state"
    own_key(state)
    with a_stick(tmp_path, kind, mib=16) as carrier:
        earlier = carry(carrier, given, state) if replacing else None
    number, step = 1, 4 if kind == "image" else 14
    path, pristine = tmp_path / "stick.img", tmp_path / "pristine.img"
    run("cp", "--sparse=always", path, pristine)
    ends = set()
    while True:
        run("cp", "--sparse=always", pristine, path)
        with again(path, kind) as carrier:

            def work(before: Callable[[str], None], carrier: Carrier = carrier) -> None:
                carry(Meddling(carrier, before), given, state, replace=replacing)

            if not killed_at(number, work):
                assert check(carrier, state).manifest.files
                break
            ends.add(_end(carrier, state, earlier))
            written = carry(carrier, given, state, replace=True)
            assert check(carrier, state).manifest == written
        number += step
    assert ends <= {"empty", "unfinished", "earlier", "new"}
    assert ("earlier" if replacing else "unfinished") in ends


def _end(carrier: Carrier, state: Path, earlier: Manifest | None) -> str:
    try:
        found = check(carrier, state).manifest
    except UnknownStateError:
        return "empty"
    except VerificationError as error:
        return "unfinished" if "not completed" in error.what else str(error)
    return "earlier" if found == earlier else "new"


def test_another_stick_in_its_place_is_not_written_to(tmp_path: Path) -> None:
    """An image of the same label and UUID takes the place of the one that was chosen, between writing and sealing."""
    with a_stick(tmp_path, "image") as carrier:
        copy = tmp_path / "copy.img"
        copy.write_bytes(carrier.stick.path.read_bytes())
        before_bytes, opened = copy.read_bytes(), []

        def before(what: str) -> None:
            opened.append(what)
            if what.startswith("piece of") and len(opened) > 6:
                copy.replace(carrier.stick.path) if copy.exists() else None

        with pytest.raises(MediaError, match="not there any more"):
            carry(Meddling(carrier, before), something(tmp_path), tmp_path / "state")
        assert (tmp_path / "stick.img").read_bytes() == before_bytes


@only_root
@pytest.mark.parametrize("same_size", [False, True])
def test_another_stick_under_the_name_that_was_chosen_is_not_written_to(tmp_path: Path, same_size: bool) -> None:
    """Between a person's choice and the first write another one may be plugged in."""
    first, second = (image(tmp_path / f"{name}.img", "ext4", mib=16) for name in ("first", "second"))
    if not same_size:
        second = image(tmp_path / "second.img", "ext4", mib=17)
    before = second.read_bytes()
    with loop(first) as device:
        chosen = with_file_system(of_device(device.name))
        run("losetup", "--detach", device)
        run("losetup", device, second)
        with pytest.raises(MediaError, match="not there any more"), held(chosen, [str(device)], writing=True):
            pass
        with pytest.raises(MediaError, match="not there any more"):
            format_stick(chosen, "vfat", "REBOX", str(device), [str(device)])
    assert second.read_bytes() == before


@only_root
def test_a_stick_plugged_in_again_under_the_same_name_is_another(tmp_path: Path) -> None:
    path = image(tmp_path / "stick.img", "ext4")
    with loop(path) as device:
        stick = of_device(device.name)
        with held(stick, [str(device)], writing=True) as carrier:
            sequence = carrier._device.opened_as.sequence
        run("losetup", "--detach", device)
        run("losetup", device, path)
        with held(stick, [str(device)], writing=True) as carrier:
            assert carrier._device.opened_as.sequence != sequence


@only_root
@pytest.mark.parametrize("kind", ["vfat", "ext4", "exfat"])
@pytest.mark.parametrize("trouble", ["pwrite", "pread", "die"])
def test_a_stick_that_fails_in_the_midst_ends_in_an_error_that_names_it(
    tmp_path: Path, kind: str, trouble: str
) -> None:
    disk = FailingDisk(tmp_path)
    try:
        with loop(disk.path) as device:
            run(*("mkfs.vfat", "-F", "32", device) if kind == "vfat" else (f"mkfs.{kind}", device))
            with held(of_device(device.name), [str(device)], writing=True) as carrier:
                seen = []

                def before(what: str) -> None:
                    seen.append(what)
                    at = "open for reading" if trouble == "pread" else "piece of"
                    if what.startswith(at) and len(seen) > 8:
                        disk.die() if trouble == "die" else disk.fail(trouble)

                with pytest.raises(ReboxError) as told:
                    carry(Meddling(carrier, before), something(tmp_path), tmp_path / "state")
                assert str(device) in str(told.value)
                disk.mend()
                if trouble != "die":
                    with pytest.raises((UnknownStateError, VerificationError)):
                        check(carrier, tmp_path / "state")
                    carry(carrier, something(tmp_path), tmp_path / "state")
                    check(carrier, tmp_path / "state")
    finally:
        disk.close()


@only_root
def test_a_stick_that_is_mounted_or_write_protected_is_refused(tmp_path: Path) -> None:
    path, place = image(tmp_path / "stick.img", "ext4"), tmp_path / "place"
    place.mkdir()
    with loop(path) as device:
        run("mount", device, place)
        try:
            with (
                pytest.raises(RefusedError, match="in use") as refused,
                held(of_device(device.name), [str(device)], writing=True),
            ):
                pass
            assert str(place) in refused.value.why
        finally:
            run("umount", place)
    with (
        loop(path, "--read-only") as device,
        pytest.raises(RefusedError, match="write-protected"),
        held(of_device(device.name), [str(device)], writing=True),
    ):
        pass


def test_a_source_that_changes_while_it_is_read_is_not_carried(tmp_path: Path) -> None:
    given = something(tmp_path)
    with a_stick(tmp_path, "image") as carrier:

        def before(what: str) -> None:
            if what == "free_bytes":
                with (given / "settings.age").open("ab") as file:
                    file.write(b"more")

        with pytest.raises(InputError, match="changed while it was read"):
            carry(Meddling(carrier, before), given, tmp_path / "state")
        with pytest.raises(VerificationError, match="not completed"):
            check(carrier, tmp_path / "state")


def test_an_interruption_by_the_keyboard_leaves_no_marker(tmp_path: Path) -> None:
    with a_stick(tmp_path, "image") as carrier:

        def before(what: str) -> None:
            if what.startswith("piece of") and "settings" in what:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            carry(Meddling(carrier, before), something(tmp_path), tmp_path / "state")
        with pytest.raises(VerificationError, match="not completed"):
            check(carrier, tmp_path / "state")


def test_progress_only_goes_forward_and_says_what_is_done(tmp_path: Path) -> None:
    seen: list[tuple[float, str]] = []
    with a_stick(tmp_path, "image") as carrier:
        given = sources([something(tmp_path)])
        write(carrier, given, PURPOSE, own_key(tmp_path / "state"), lambda *told: seen.append(told))
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert all(fraction < 1.0 for fraction in fractions[:-1])
    assert any(phase.startswith("reading back") for _, phase in seen)
