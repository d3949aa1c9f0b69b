"""The name servers' files are what BIND itself accepts."""

import subprocess
from pathlib import Path

import pytest

from toolkit.lab.nameserver import Place, authoritative, caching, new_tsig_secret, zone_file


def test_bind_accepts_the_zone(tmp_path: Path) -> None:
    file = tmp_path / "zone"
    file.write_text(
        zone_file("example.net", 300, "ns.example.net", {"ns.example.net": ("10.77.0.2", "fd77::2")}), encoding="ascii"
    )

    said = subprocess.run(["/usr/bin/named-checkzone", "example.net", file], capture_output=True, text=True, check=True)

    assert "OK" in said.stdout


def test_bind_accepts_both_configurations(tmp_path: Path) -> None:
    version = subprocess.run(["/usr/sbin/named", "-v"], capture_output=True, text=True, check=True).stdout
    place = Place(str(tmp_path), "10.77.0.2", "fd77::2", version)
    for text in (authoritative(place, "example.net", new_tsig_secret()), caching(place, ("10.77.0.2", "fd77::2"))):
        file = tmp_path / "named.conf"
        file.write_text(text, encoding="ascii")
        said = subprocess.run(["/usr/bin/named-checkconf", file], capture_output=True, text=True, check=False)
        assert (said.returncode, said.stdout) == (0, "")


@pytest.mark.parametrize(
    ("version", "has_lock"),
    [
        ("BIND 9.18.33-1~deb12u2-Debian (Extended Support Version) <id:>", True),
        ("BIND 9.20.11-4-Debian (Stable Release) <id:>", False),
        ("BIND 10.0.1", False),
        ("", False),
    ],
)
def test_only_a_version_that_knows_the_lock_is_told_to_do_without(version: str, has_lock: bool) -> None:
    text = caching(Place("/lab", "10.77.0.2", "fd77::2", version), ("10.77.0.2", "fd77::2"))
    assert ("lock-file none;" in text) == has_lock
