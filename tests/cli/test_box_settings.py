"""`rebox box-settings` as people and programs use it, at two real boxes."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.box_settings.conftest import NEW, OLD, ROUTE, Site, boxes, site
from tests.emulator.appliance.box_process import CLIENT_ID, CLIENT_SECRET
from toolkit.cli.main import main
from toolkit.cli.output import out

__all__ = ["boxes", "site"]  # fixtures

INVENTORY = """
[site]
name = "support.example.net"
addresses = ["10.77.0.20"]

[old]
address = "{old[0]}"
port = {old[1]}
serial_number = "RB-OLD-0001"
tls_sha256 = "{old_pin}"
client_id = "{client}"
client_secret = "env:REBOX_TEST_CLIENT"

[new]
address = "{new[0]}"
port = {new[1]}
serial_number = "RB-NEW-0002"
tls_sha256 = "{new_pin}"
client_id = "{client}"
client_secret = "env:REBOX_TEST_CLIENT"
admin_password = "env:REBOX_TEST_ADMIN"

[swing]
method = "shared-ip"

[package]
version = "Bomgar-12.2.0"

[certificate]
passphrase = "env:REBOX_TEST_CERTIFICATE"

[backup]
recipients = ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"]
identity_file = "backup.identity"
identity_passphrase = "env:REBOX_TEST_IDENTITY"
passphrase = "env:REBOX_TEST_BOX"
"""

Rebox = Callable[..., tuple[int, Any]]


@pytest.fixture
def rebox(site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Rebox:
    """Runs `rebox box-settings WORD INVENTORY …`; its status and, with --json, the document, else what people read."""
    monkeypatch.setenv("REBOX_TEST_CLIENT", CLIENT_SECRET)
    monkeypatch.setenv("XDG_STATE_HOME", str(site.folder / "state"))
    monkeypatch.setattr(out, "width", 200)
    inventory = site.folder / "site.toml"
    inventory.write_text(
        INVENTORY.format(
            old=site.old.place(OLD),
            new=site.new.place(NEW),
            old_pin=site.old.console_fingerprint(OLD),
            new_pin=site.new.console_fingerprint(NEW),
            client=CLIENT_ID,
        )
    )

    def run(word: str, *words: object) -> tuple[int, Any]:
        with pytest.raises(SystemExit) as exit_:
            main(["box-settings", word, str(inventory), *map(str, words)])
        said = capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return exit_.value.code, json.loads(said.out) if "--json" in words else " ".join((said.out + said.err).split())

    return run


def test_settings_are_captured_to_a_file_that_is_never_overwritten(rebox: Rebox, site: Site) -> None:
    file = site.folder / "old.json"
    status, told = rebox("capture", "--to", file)
    assert (status, "old box RB-OLD-0001: 2 interfaces, 2 addresses, 1 route." in told) == (0, True)
    status, told = rebox("capture", "--to", file, "--role", "new")
    assert status != 0
    assert "RB-OLD-0001" in file.read_text()
    status, document = rebox("capture", "--to", site.folder / "new.json", "--role", "new", "--json")
    assert (status, document["serial_number"]) == (0, "RB-NEW-0002")


def test_a_table_is_proposed_edited_and_checked(rebox: Rebox, site: Site) -> None:
    file, inventory = site.folder / "map.toml", site.folder / "site.toml"
    status, told = rebox("map", "--to", file)
    assert (status, "box_settings.interface_map" in told) == (0, True)
    assert rebox("map")[1].count("[[interface]]") == 2
    inventory.write_text(inventory.read_text() + '\n[box_settings]\ninterface_map = "map.toml"\n')
    assert rebox("check")[0] == 0

    lines = file.read_text().splitlines(keepends=True)
    last = "".join(lines).rindex("\nnew = ")
    file.write_text("".join(lines)[:last] + "\n")
    status, document = rebox("check", "--json")
    assert (status, document["verdict"]) == (1, "failed")
    assert document["dangling"][0]["what"] == "address 10.78.0.21"
    status, told = rebox("check")
    assert (status, "2 references would dangle" in told) == (1, True)

    file.write_text("".join(lines).replace('old = "eth1"', 'old = "eth0"'))
    status, document = rebox("check", "--json")
    assert (status, document["what"]) == (2, "eth0 of the old box has another MAC than 02:78:00:00:00:21")
    assert document["where"].startswith(f"{file}:")


def test_settings_are_carried_once_nothing_dangles_and_compared(rebox: Rebox, site: Site) -> None:
    file, inventory = site.folder / "old.json", site.folder / "site.toml"
    rebox("capture", "--to", file)
    status, document = rebox("compare", "--old", file, "--json")
    assert (status, document["verdict"]) == (1, "failed")
    assert rebox("apply")[0] == 2, "nobody can be asked"

    (site.folder / "map.toml").write_text('[[interface]]\nold = "eth0"\nnew = "eth0"\n[[interface]]\nold = "eth1"\n')
    good = inventory.read_text()
    inventory.write_text(good + '\n[box_settings]\ninterface_map = "map.toml"\n')
    status, document = rebox("apply", "--yes", "--json")
    assert (status, document["what"]) == (3, "2 references would dangle on the new box")
    assert site.audit() == []

    inventory.write_text(good)
    status, told = rebox("apply", "--yes", "--old", file)
    assert status == 0, told
    assert "10.200.0.0/16 by 10.78.0.1" in told
    assert site.network()["routes"] == [ROUTE]
    assert site.audit() == ["begin-network-change", "confirm-network-change"]
    status, document = rebox("compare", "--json")
    assert (status, document["verdict"]) == (0, "passed")
