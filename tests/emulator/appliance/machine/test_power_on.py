"""What a machine finds at power-on: its port and its seed."""

from pathlib import Path

import pytest

from toolkit.emulator.appliance.machine.power_on import port, read_order
from toolkit.model.errors import InputError


def system_with_ports(folder: Path, **ports: str) -> Path:
    for name, mac in {"lo": "00:00:00:00:00:00", **ports}.items():
        place = folder / "class" / "net" / name
        place.mkdir(parents=True)
        (place / "address").write_text(f"{mac}\n")
        if name != "lo":
            (place / "device").touch()
    return folder


def test_the_only_port_is_the_boxs(tmp_path: Path) -> None:
    assert port(None, system_with_ports(tmp_path, eth0="52:54:00:00:00:01")) == ("eth0", "52:54:00:00:00:01")


def test_of_several_ports_the_one_with_the_mac_is_meant(tmp_path: Path) -> None:
    system = system_with_ports(tmp_path, eth0="52:54:00:00:00:01", eth1="52:54:00:00:00:0a")
    assert port("52:54:00:00:00:0A", system) == ("eth1", "52:54:00:00:00:0a")
    assert port("52:54:00:00:00:03", system) is None
    assert port(None, system) is None


def test_a_seed_that_cannot_be_read_is_refused_without_repeating_what_stands_in_it(tmp_path: Path) -> None:
    for content, words in ((b"{hunter2", "not JSON"), (b'["hunter2"]', "not a JSON object")):
        (tmp_path / "order.json").write_bytes(content)
        with pytest.raises(InputError, match=words) as caught:
            read_order(tmp_path / "order.json")
        assert "hunter2" not in str(caught.value)
    with pytest.raises(InputError, match="holds no order"):
        read_order(tmp_path / "absent")
