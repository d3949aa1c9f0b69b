"""A machine's domain: what its emulated BMC shows of its BIOS stands in it, and nothing when nobody set it up."""

from pathlib import Path
from uuid import UUID

from toolkit.lab.hardware import Hardware, domain_xml


def xml(**bios: str) -> str:
    identity = UUID("6a1f7f0e-0000-4000-8000-000000000001")
    return domain_xml(Hardware("old", "S", identity, "52:54:00:00:00:01", "br0", Path("/console"), [], bios=bios))


def test_bios_settings_stand_where_the_emulated_bmc_keeps_them() -> None:
    assert '<sushy:attribute name="NicBoot1" value="Disabled"/>' in xml(NicBoot1="Disabled")
    assert "metadata" not in xml()
