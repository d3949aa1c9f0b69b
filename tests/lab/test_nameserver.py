"""The name servers' files are what BIND itself accepts."""

import subprocess
from pathlib import Path

from toolkit.lab.nameserver import Place, authoritative, caching, new_tsig_secret, zone_file


def test_bind_accepts_the_zone(tmp_path: Path) -> None:
    file = tmp_path / "zone"
    file.write_text(
        zone_file("example.net", 300, "ns.example.net", {"ns.example.net": ("10.77.0.2", "fd77::2")}), encoding="ascii"
    )

    said = subprocess.run(["/usr/bin/named-checkzone", "example.net", file], capture_output=True, text=True, check=True)

    assert "OK" in said.stdout


def test_bind_accepts_both_configurations(tmp_path: Path) -> None:
    place = Place(str(tmp_path), "10.77.0.2", "fd77::2")
    for text in (authoritative(place, "example.net", new_tsig_secret()), caching(place, ("10.77.0.2", "fd77::2"))):
        file = tmp_path / "named.conf"
        file.write_text(text, encoding="ascii")
        said = subprocess.run(["/usr/bin/named-checkconf", file], capture_output=True, text=True, check=False)
        assert (said.returncode, said.stdout) == (0, "")
