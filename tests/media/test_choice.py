"""One stick is meant, and by name: none, several, and the only one there are all asked about."""

from pathlib import Path

import pytest

from tests.disks.block_devices import image
from toolkit.disks.plugged import Stick
from toolkit.disks.volumes import FileSystem
from toolkit.media.choice import choose
from toolkit.model.errors import InputError


def stick(name: str, serial: str, label: str, port: str) -> Stick:
    path = Path("/dev") / name
    there = FileSystem(path, "vfat", f"UUID-{serial}", label, 1 << 30)
    return Stick(path, "SanDisk", "Cruzer Blade", serial, 1 << 30, "usb", port, True, False, there)


ONE, TWO = stick("sdy", "4C530001", "BACKUP", "1-2"), stick("sdz", "4C530002", "BACKUP", "1-3")


@pytest.mark.parametrize("which", ["serial=4C530002", "uuid=UUID-4C530002", "port=1-3", "/dev/sdz"])
def test_what_one_stick_alone_has_chooses_it(which: str) -> None:
    assert choose(which, [ONE, TWO]) == TWO


@pytest.mark.parametrize("which", ["label=BACKUP", "model=Cruzer Blade", "vendor=SanDisk"])
def test_what_several_have_chooses_none_and_shows_them(which: str) -> None:
    with pytest.raises(InputError, match="several sticks fit") as refused:
        choose(which, [ONE, TWO])
    assert "serial=4C530001" in refused.value.next_move
    assert "serial=4C530002" in refused.value.next_move


@pytest.mark.parametrize("which", ["serial=4C53000", "serial=", "label=backup", "uuid=", "port=1"])
def test_what_none_has_to_the_letter_chooses_none_even_when_one_is_there(which: str) -> None:
    with pytest.raises(InputError, match="no such stick") as refused:
        choose(which, [ONE])
    assert "none of those" in refused.value.why
    assert "serial=4C530001" in refused.value.next_move


@pytest.mark.parametrize("which", ["", "the stick", "size=1", "sdz", "/dev/absent", "x" * 300, "/dev/null", "/dev"])
def test_what_is_no_choice_is_told_what_is_one(which: str) -> None:
    with pytest.raises(InputError, match="chooses no stick") as refused:
        choose(which, [])
    assert "serial=…" in refused.value.why
    assert "rebox media watch" in refused.value.next_move
    with pytest.raises(InputError) as refused:
        choose(which, [TWO])
    assert "serial=4C530002" in refused.value.next_move


def test_an_image_file_is_a_stick_and_another_path_is_none_and_why_is_told(tmp_path: Path) -> None:
    path = image(tmp_path / "stick.img", "vfat", label="FILED")
    chosen = choose(str(path), [])
    assert chosen.file_system is not None
    assert (chosen.path, chosen.file_system.label) == (path, "FILED")
    (tmp_path / "loop").symlink_to("loop")
    for name, why in {
        "absent.img": "No such file",
        "stick.img/below": "Not a directory",
        "loop": "symbolic links",
        ".": "neither a device nor an image file",
    }.items():
        with pytest.raises(InputError, match=why) as refused:
            choose(str(tmp_path / name), [])
        assert refused.value.where == str(tmp_path / name)


def test_another_name_of_a_device_is_the_device(tmp_path: Path) -> None:
    (tmp_path / "by-id").symlink_to("/dev/sdz")
    assert choose(str(tmp_path / "by-id"), [ONE, TWO]) == TWO
