"""The rules of addresses and network settings."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.appliance.box_process import OWN, SHARED, in_use_order
from tests.emulator.appliance.quiet_box import QuietBox, powered, quiet_box
from toolkit.emulator.appliance.facts import Address
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.emulator.appliance.wire import AnyInterface


@pytest.fixture
def box(tmp_path: Path) -> Iterator[QuietBox]:
    with quiet_box(tmp_path / "disk", in_use_order(gateway="10.77.0.1", dns_servers=["10.77.0.2"])) as box:
        yield box


def _id(box: QuietBox, address: str) -> int:
    return next(entry.id for entry in box.network.addresses() if entry.address == address)


def test_a_shared_address_is_defined_and_not_on_the_wire_until_it_is_enabled(box: QuietBox) -> None:
    assert box.on_wire() == {OWN}
    assert box.network.set_enabled("me", _id(box, SHARED), True).enabled
    assert box.on_wire() == {OWN, SHARED}
    assert not box.network.set_enabled("me", _id(box, SHARED), False).enabled
    assert box.on_wire() == {OWN}


def test_enabling_twice_is_harmless(box: QuietBox) -> None:
    for _ in range(2):
        assert box.network.set_enabled("me", _id(box, SHARED), True).enabled
    assert box.on_wire() == {OWN, SHARED}


def test_the_only_own_address_can_neither_be_disabled_nor_deleted(box: QuietBox) -> None:
    box.network.set_enabled("me", _id(box, SHARED), True)
    for lose in (
        lambda: box.network.set_enabled("me", _id(box, OWN), False),
        lambda: box.network.delete_address("me", _id(box, OWN)),
    ):
        with pytest.raises(Refusal) as refused:
            lose()
        assert refused.value.code == "last_address"
    assert OWN in box.on_wire()


def test_with_another_own_address_it_can(box: QuietBox) -> None:
    new = _add(box, "10.77.0.99", enabled=True)
    box.network.delete_address("me", _id(box, OWN))
    assert box.on_wire() == {new.address}
    assert [entry.address for entry in box.network.addresses()] == [SHARED, "10.77.0.99"]


def _add(box: QuietBox, address: str, *, prefix: int = 24, interface: str = "eth0", enabled: bool = False) -> Address:
    return box.network.add_address(
        "me", address=address, prefix=prefix, interface=interface, shared=False, enabled=enabled
    )


@pytest.mark.parametrize(
    ("address", "prefix", "interface", "code"),
    [
        (SHARED, 24, "eth0", "conflict"),
        ("10.77.0.300", 24, "eth0", "invalid_request"),
        ("10.77.0.99", 33, "eth0", "invalid_request"),
        ("10.77.0.99", 24, "eth7", "invalid_request"),
        ("224.0.0.1", 24, "eth0", "invalid_request"),
        ("::", 64, "eth0", "invalid_request"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused(
    box: QuietBox, address: str, prefix: int, interface: str, code: str
) -> None:
    before = box.network.settings()
    with pytest.raises(Refusal) as refused:
        _add(box, address, prefix=prefix, interface=interface)
    assert refused.value.code == code
    assert box.network.settings() == before


def test_settings_change_one_by_one(box: QuietBox) -> None:
    assert box.network.change("me", dns_servers=["10.77.0.3", "fd77::3"]).dns_servers == ("10.77.0.3", "fd77::3")
    after = box.network.change("me", ntp_servers=["ntp.example.org"], hostname="box.example.net")
    assert (after.hostname, after.gateway) == ("box.example.net", "10.77.0.1")
    assert after.dns_servers == ("10.77.0.3", "fd77::3")
    assert [entry.action for entry in box.audit(0)] == ["change-network"] * 2


@pytest.mark.parametrize(
    "change",
    [{"gateway": "192.0.2.1"}, {"gateway": "x"}, {"dns_servers": ["ns.example.net"]}, {"hostname": "not a name"}],
)
def test_settings_that_make_no_sense_change_nothing(box: QuietBox, change: dict[str, object]) -> None:
    before = box.network.settings()
    with pytest.raises(Refusal) as refused:
        box.network.change("me", **change)  # type: ignore[arg-type]  # what pydantic lets through, the rules look at
    assert refused.value.code == "invalid_request"
    assert box.network.settings() == before


def test_an_address_that_the_kernel_will_not_take_is_not_written_down(
    box: QuietBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(address: AnyInterface, *, quiet: bool = False) -> None:
        raise OSError(19, "No such device")

    monkeypatch.setattr(box.wire, "add", refuse)
    with pytest.raises(Refusal) as refused:
        box.network.set_enabled("me", _id(box, SHARED), True)
    assert "No such device" in refused.value.message
    assert not box.network.addresses()[1].enabled


def test_an_address_that_cannot_be_written_down_leaves_the_wire_again(
    box: QuietBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(by: str, action: str, **_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(box._audit, "record", full)
    with pytest.raises(OSError, match="No space left"):
        box.network.set_enabled("me", _id(box, SHARED), True)
    assert box.on_wire() == {OWN}


def test_a_fault_says_ok_and_changes_nothing(box: QuietBox) -> None:
    box.faults.plant("says-ok-changes-nothing:address")
    assert box.network.set_enabled("me", _id(box, SHARED), True).enabled
    assert box.on_wire() == {OWN}
    assert not box.network.addresses()[1].enabled


def test_what_was_enabled_is_on_the_wire_after_power_on(box: QuietBox) -> None:
    box.network.set_enabled("me", _id(box, SHARED), True)
    with powered(box.disk.root) as again:
        assert again.on_wire() == {OWN, SHARED}
