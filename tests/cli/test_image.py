"""`rebox image`: what people and programs are told, and the exit statuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images.test_cache import fill
from toolkit.cli.main import main
from toolkit.images.cache import ImageCache
from toolkit.images.manifest import DISK


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REBOX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def status_of(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["image", *words])
    return int(ended.value.code or 0)


def test_a_recipe_that_does_not_exist_is_named_with_those_that_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("build", "aplliance", "--json") == 2
    said = json.loads(capsys.readouterr().out)
    assert (said["what"], said["where"]) == ("there is no such recipe", "aplliance")
    assert "appliance" in said["next_move"]


def test_a_package_list_that_is_none_is_refused_before_anything_is_done(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "list.json").write_text("{}")
    assert status_of("build", "appliance", "--packages", str(tmp_path / "list.json")) == 2
    assert status_of("build", "appliance", "--packages", str(tmp_path / "absent.json")) == 2
    assert not cache.exists()


def test_what_is_not_built_is_listed_as_such_and_verifying_nothing_is_no_pass(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert status_of("list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"]: row["state"] for row in rows} == {"appliance": "not built", "installer": "not built"}
    assert status_of("verify", "--json") == 4
    assert json.loads(capsys.readouterr().out)["verdict"] == "unknown"


def test_a_damaged_image_fails_and_the_file_is_named(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    images = ImageCache("appliance")
    with images.building(None), images.new("a" * 64) as folder:
        fill(folder)
    assert status_of("list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["state"] for row in rows if row["name"] != "installer"] == ["not built", "outdated"]
    (images.place("a" * 64) / DISK).write_bytes(b"dusk")
    assert status_of("verify", "appliance", "--json") == 1
    (image,) = json.loads(capsys.readouterr().out)["images"]
    assert image["findings"][0]["file"] == DISK


def test_a_full_disk_is_named_and_nothing_half_is_left(cache: Path) -> None:
    cache.mkdir()
    script = 'mount -t tmpfs -o size=32m full "$1" && "$2" -m toolkit.cli.main image build appliance --json; '
    script += 'echo "status $?"; find "$1" -mindepth 1 -name ".*" -o -name disk.raw'
    words = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(cache), sys.executable)
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    document, _, rest = said.partition("status 1\n")
    error = json.loads(document)
    assert (error["error"], error["what"]) == ("storage", "the image cannot be built")
    assert "the disk is full" in error["why"]
    assert str(cache) in error["where"]
    assert [Path(line).name for line in rest.splitlines()] == [".lock"]
