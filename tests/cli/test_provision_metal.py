"""`rebox provision metal` and `bmc`: what people and programs are told before a machine is asked for anything."""

import json
from pathlib import Path

import pytest

from toolkit.cli.main import main

DNS = Path("fixtures/inventories/dns.toml").read_text(encoding="utf-8")
METAL = """
[provision]
driver = "redfish"
mac = "52:54:00:78:00:01"
addresses = ["10.77.0.22/24"]
disk_serial = "DISK-1"
bmc.url = "https://127.0.0.1:9"
bmc.password = "env:BMC_PASSWORD"
bmc.tls_sha256 = "3333333333333333333333333333333333333333333333333333333333333333"
bmc.media_address = "127.0.0.1"
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REBOX_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("BMC_PASSWORD", "calvin and hobbes")


def refused(folder: Path, tables: str, *words: str) -> tuple[int, str]:
    inventory = folder / "site.toml"
    inventory.write_text(DNS + tables, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["provision", *words, str(inventory), "--json"])
    return int(ended.value.code or 0), str(inventory)


def test_an_inventory_whose_new_box_is_no_metal_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, inventory = refused(tmp_path, "", "metal")
    said = json.loads(capsys.readouterr().out)
    assert (status, said["where"]) == (2, inventory)
    assert 'driver = "redfish"' in said["next_move"]


@pytest.mark.parametrize("words", [("bmc",), ("metal", "--yes")])
def test_a_bmc_that_is_not_there_is_named_and_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    status, _ = refused(tmp_path, METAL, *words)
    said = capsys.readouterr()
    error = json.loads(said.out)
    assert (status, error["error"], error["where"]) == (1, "unreachable", "BMC https://127.0.0.1:9")
    assert "calvin" not in said.out + said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "state").exists()


def test_a_password_that_is_not_there_is_asked_for_by_its_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BMC_PASSWORD")
    status, _ = refused(tmp_path, METAL, "bmc")
    said = json.loads(capsys.readouterr().out)
    assert (status, said["where"]) == (2, "env:BMC_PASSWORD")


@pytest.mark.parametrize(("name", "why"), [("absent.pem", "No such file"), ("site.toml", "holds no certificate")])
def test_an_authority_that_cannot_be_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, why: str
) -> None:
    tables = "".join(
        f'bmc.ca_file = "{name}"\n' if line.startswith("bmc.tls_sha256") else line
        for line in METAL.splitlines(keepends=True)
    )
    status, _ = refused(tmp_path, tables, "bmc")
    said = json.loads(capsys.readouterr().out)
    assert (status, said["where"]) == (2, str(tmp_path / name))
    assert why in said["why"]


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ('bmc.url = "https:', 'bmc.url = "http:', "https"),
        ("bmc.tls_sha256", "#", "by what is the BMC recognised"),
        ('bmc.media_address = "127.0.0.1"', 'bmc.media_address = "127.0.0.1"\nbmc.media_http = true', "console_file"),
        ("env:BMC_PASSWORD", "calvin", "a secret is never written here"),
    ],
)
def test_a_bmc_that_is_described_wrongly_is_refused_before_it_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: str, right: str, words: str
) -> None:
    status, inventory = refused(tmp_path, METAL.replace(wrong, right), "metal")
    said = json.loads(capsys.readouterr().out)
    assert (status, said["where"].startswith(inventory)) == (2, True)
    assert words in said["why"] + said["next_move"]
