"""A disk that erases itself is believed only as far as it shows, and overwritten and read back in any case.

The techniques are told by the tests: no disk here has any. What they find is a real loop device.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.disks.block_devices import disk_of, loop, only_root
from toolkit.disks import method
from toolkit.disks.commands.technique import CommandFailed, Offer, Technique
from toolkit.disks.device import MARK, Progress
from toolkit.disks.erase import Erased, Order, erase, opened
from toolkit.disks.facts import disks
from toolkit.disks.identity import Meant
from toolkit.disks.in_use import Rules
from toolkit.disks.refusal import Failed, Refused

pytestmark = only_root
SIZE = 3 << 20
Do = Callable[[Path], None]


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "disk.raw"
    file.write_bytes(b"\xa5" * SIZE)
    with loop(file) as attached:
        yield attached


def noise(device: Path) -> None:
    """As after a cryptographic erase."""
    device.write_bytes(b"\x5a" * SIZE)


def nothing(device: Path) -> None:
    """It says that it is done, and is not."""
    assert device.exists()


def refuse(device: Path) -> None:
    raise CommandFailed(f"{device.name} does not know that")


def fail(device: Path) -> None:
    noise(device)
    raise Failed("the disk says that its sanitize operation failed")


def run(device: Path, monkeypatch: pytest.MonkeyPatch, *does: Do, order: Order | None = None) -> Erased:
    """With techniques called t0, t1 … that do this."""

    def technique(number: int, do: Do) -> Technique:
        def carry_out(progress: Progress, _sleep: object) -> None:
            progress(0.0)
            do(device)

        return Technique(f"t{number}", f"technique {number}", "purge", carry_out)

    offer = Offer(tuple(technique(number, do) for number, do in enumerate(does)))
    monkeypatch.setattr(method, "offered", lambda disk, descriptor: offer)
    disk = disk_of(device)
    rules = Rules(planned=[disk.identity])
    with opened(Meant.seen(disk), rules, lambda: disks(loops=True)) as (found, open_device):
        return erase(Erased(found), open_device, order or Order(), lambda phase: lambda fraction: None)


def test_what_a_disk_erased_by_itself_is_overwritten_and_read_back(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erased = run(device, monkeypatch, noise)
    assert (erased.result, erased.category, erased.passes) == ("passed", "purge", 2)
    assert erased.technique == "technique 0, then overwrite with zeros"
    assert device.read_bytes() == bytes(SIZE)


def test_a_disk_that_says_that_it_is_erased_and_is_not_has_failed(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erased = run(device, monkeypatch, nothing, noise)
    assert (erased.result, erased.category, erased.passes, erased.verified) == ("failed", "clear", 0, "none")
    assert "what was on it still is" in erased.reason
    assert device.read_bytes().startswith(MARK)


def test_what_a_disk_refuses_is_tried_otherwise_and_at_last_overwritten(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(device, monkeypatch, refuse, noise).technique == "technique 1, then overwrite with zeros"
    erased = run(device, monkeypatch, refuse, refuse)
    assert (erased.result, erased.technique, erased.category) == ("passed", "overwrite with zeros", "clear")


def test_a_technique_that_was_asked_for_by_name_is_the_one_or_none(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(device, monkeypatch, fail, noise, order=Order("t1")).technique.startswith("technique 1")
    erased = run(device, monkeypatch, noise, refuse, order=Order("t1"))
    assert (erased.result, "does not know that" in erased.reason) == ("failed", True)
    assert run(device, monkeypatch, fail, order=Order("overwrite")).category == "clear"
    before = device.read_bytes()
    with pytest.raises(Refused, match="does not offer t7; it offers t0, overwrite"):
        run(device, monkeypatch, noise, order=Order("t7"))
    assert device.read_bytes() == before


def test_an_erasure_that_failed_half_way_is_not_covered_up_by_another(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erased = run(device, monkeypatch, fail, noise)
    assert (erased.result, erased.reason) == ("failed", "the disk says that its sanitize operation failed")
