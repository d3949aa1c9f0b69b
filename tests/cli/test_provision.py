"""`rebox provision`: what people and programs are told where nothing can be made, and the exit statuses."""

import json
from pathlib import Path

import pytest

from toolkit.cli.main import main

INVENTORIES = Path(__file__).parents[2] / "fixtures" / "inventories"
PROVISION = """
[provision]
driver = "libvirt"
uri = "qemu:///system?socket={folder}/no-socket"
image = "./image"
name = "new-box"
bridge = "br0"
mac = "52:54:00:79:00:12"
addresses = ["10.77.0.22/24"]
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    file = tmp_path / "site.toml"
    text = (INVENTORIES / "dns.toml").read_text() + PROVISION.format(folder=tmp_path)
    file.write_text(text.replace('admin_password = "prompt"', 'admin_password = "env:ADMIN"'))
    return file


def status_of(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["provision", *map(str, words)])
    return int(ended.value.code or 0)


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    words: dict[str, str] = json.loads(capsys.readouterr().out)
    return words


def test_a_new_box_that_is_no_virtual_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("check", INVENTORIES / "dns.toml", "--json") == 2
    assert said(capsys)["why"] == 'provision.driver is "existing"'


def test_a_missing_image_is_told_without_asking_for_a_secret(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of("check", inventory, "--json") == 2
    assert said(capsys)["what"] == "this folder holds no image"


def test_the_password_is_asked_for_before_anything_is_done(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("virtual", inventory, "--json") == 2
    assert said(capsys)["where"] == "env:ADMIN"


def test_a_libvirt_that_is_not_running(
    inventory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REBOX_STATE", str(tmp_path / "state"))
    assert status_of("remove", inventory, "--yes", "--json") == 1
    assert said(capsys)["what"] == "libvirt does not answer"


def test_nothing_is_deleted_where_nobody_can_be_asked(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("remove", inventory, "--json") == 2
    assert "--yes" in said(capsys)["next_move"]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ('uri = "xen:///system"', "provision.libvirt.uri"),
        ('firmware = "coreboot"', "provision.libvirt.firmware"),
        ("memory_mb = 16", "provision.libvirt.memory_mb"),
        ('network = "lan"', "provision.libvirt"),
    ],
)
def test_a_wrong_table_is_named_with_its_line(
    inventory: Path, capsys: pytest.CaptureFixture[str], line: str, field: str
) -> None:
    text = inventory.read_text()
    if line.startswith("uri"):
        text = "\n".join(line if one.startswith("uri = ") else one for one in text.splitlines())
    else:
        text += f"{line}\n"
    inventory.write_text(text)
    assert status_of("check", inventory, "--json") == 2
    words = said(capsys)
    assert field.rsplit(".", 1)[-1] in words["what"]
    assert words["where"].startswith(f"{inventory}:")
