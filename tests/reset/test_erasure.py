"""What is told of a wiped disk becomes the facts of its erasure, here and from the installer."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from toolkit.disks.erase import Erased
from toolkit.disks.facts import Disk
from toolkit.model.errors import InputError
from toolkit.reset.erasure import Erasure, erasure_of

DISK = Disk(
    "nvme0n1", "NV-1", "Fast SSD", 1000, read_only=False, removable=False, firmware="2B2Q", transport="nvme",
    wwn="eui.0025385b71b00001", sector_bytes=4096,
)  # fmt: skip
TOLD = Erased(
    DISK, technique="NVMe format, user data erase, then overwrite with zeros", category="purge", passes=2,
    discarded=True, verified="full", bytes_written=1000, bytes_read=1000, seconds=90.0, result="passed", reason="",
).as_json()  # fmt: skip
HEARD = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_all_that_was_told_is_in_it_and_times_are_those_of_here() -> None:
    erasure = erasure_of(TOLD, finished=HEARD, tool_version="1.2", operator="somebody", run_id="run-1")
    assert erasure == Erasure(
        model="Fast SSD", serial_number="NV-1", wwn="eui.0025385b71b00001", firmware="2B2Q",
        media_type="solid-state disk (nvme)", capacity_bytes=1000, sector_bytes=4096, category="purge",
        technique="NVMe format, user data erase, then overwrite with zeros", passes=2, discarded=True,
        tool_version="1.2", verification="full", verified_bytes=1000, verified_fraction=1.0, result="passed",
        started=HEARD - timedelta(seconds=90), finished=HEARD, operator="somebody", run_id="run-1",
    )  # fmt: skip
    assert erasure.identity == "NV-1"


def test_one_that_was_cut_off_has_not_passed() -> None:
    erasure = erasure_of(Erased(DISK).as_json(), finished=HEARD, tool_version="1")
    assert (erasure.result, erasure.passes, erasure.verification, erasure.verified_fraction) == (
        "unknown",
        0,
        "none",
        0,
    )


def test_what_is_told_by_an_older_installer_is_not_made_up() -> None:
    with pytest.raises(InputError, match="Build the installer anew"):
        erasure_of({"disk_serial": "S1", "bytes_read": 100}, finished=HEARD, tool_version="1")
    with pytest.raises(InputError, match="incomplete"):
        erasure_of({**TOLD, "result": "splendid"}, finished=HEARD, tool_version="1")


def test_a_passed_erasure_without_verification_cannot_be_written() -> None:
    with pytest.raises(ValidationError, match="passed"):
        erasure_of(TOLD, finished=HEARD, tool_version="1").model_validate(
            erasure_of(TOLD, finished=HEARD, tool_version="1").model_dump() | {"verification": "none"}
        )


def test_a_virtual_disk_has_not_passed_while_an_image_below_it_has_not() -> None:
    layer = {
        "place": "/pool/base.qcow2", "format": "qcow2", "size_bytes": 1000, "bytes_read": 1000,
        "technique": "overwrite with zeros", "verification": "full", "result": "passed", "reason": "",
    }  # fmt: skip
    kept = ["its UEFI variables (/nvram/old_VARS.fd)"]
    erasure = erasure_of({**TOLD, "layers": [layer], "kept_beside": kept}, finished=HEARD, tool_version="1")
    assert (erasure.layers[0].place, erasure.kept_beside) == ("/pool/base.qcow2", (kept[0],))
    for result in ("left", "failed", "unknown"):
        with pytest.raises(InputError, match="incomplete"):
            erasure_of({**TOLD, "layers": [{**layer, "result": result}]}, finished=HEARD, tool_version="1")
