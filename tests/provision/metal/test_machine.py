"""A machine behind a real Redfish service: installed, and the BMC put back as it was, whatever happens on the way."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.provision.metal import story
from tests.provision.metal.bmc_proxy import Answer, Hangs, bmc_proxy, is_system
from tests.provision.metal.conftest import MAC, SERIAL, Metal
from tests.provision.metal.hall import wait
from tests.provision.metal.story import boot_of, carry_out, machine_of
from tests.provision.metal.tiny_iso import DIES, DONE, REFUSED, STARTED, lines
from toolkit.model.errors import (
    ApplianceError,
    InputError,
    RefusedError,
    UnknownStateError,
    UnreachableError,
    VerificationError,
)
from toolkit.provision.metal import bmc_session

pytestmark = pytest.mark.vm


def as_it_was(metal: Metal) -> bool:
    bmc = metal.bmc()
    return not metal.on and not metal.has_cd and not bmc.medium().inserted and bmc.boot_override().target == "Hdd"


def test_the_installer_does_its_work_and_the_bmc_is_as_it_was(metal: Metal, tmp_path: Path) -> None:
    boot = boot_of(metal, tmp_path)
    phases: list[str] = []
    carry_out(boot, DONE, lambda _, phase: phases.append(phase))
    assert "installer: write" in phases
    assert as_it_was(metal)
    record = boot.notebook.read()
    assert record is not None
    assert record.phase == "put-back"
    assert not boot.notebook.iso.exists()


def test_a_box_is_installed_once_known_by_its_console_and_switched_off_again(metal: Metal, tmp_path: Path) -> None:
    fingerprint = hashlib.sha256(b"the box's own").hexdigest()
    # what the installer would have written: a disk that starts and says its fingerprint
    metal.put_on_disk(f"certificate sha256: {fingerprint} on 10.78.31.40\r\n")
    machine = machine_of(metal, tmp_path, DONE)
    assert not machine.is_provided()
    machine.provide(lambda fraction, phase: None)
    assert (machine.is_provided(), machine.announced_tls_sha256()) == (True, fingerprint)
    assert f"fetched by {metal.hall.address}" in machine.how()

    resumed = machine_of(metal, tmp_path, "nothing is installed twice")
    resumed.provide(lambda fraction, phase: None)
    assert (resumed.is_provided(), resumed.announced_tls_sha256()) == (True, fingerprint)

    otherwise = machine_of(metal, tmp_path, DONE, order="cd" * 32)
    with pytest.raises(RefusedError, match="installed otherwise"):
        otherwise.provide(lambda fraction, phase: None)
    assert metal.on

    resumed.withdraw()
    assert as_it_was(metal)
    assert not resumed.is_provided()


# -------------------------------------------------------------------------------- refused before anything is changed


def test_a_wrong_serial_number_behind_the_right_address_is_refused(metal: Metal, tmp_path: Path) -> None:
    def another(method: str, path: str, answer: Answer) -> Answer:
        return answer.with_fields(SerialNumber="SRV-9999") if is_system(method, path) else answer

    before = metal.hall.emulator_log
    with (
        bmc_proxy(metal.hall, tmp_path / "proxy", another) as (url, pin),
        pytest.raises(RefusedError, match=f"serial number is SRV-9999, not {SERIAL}"),
    ):
        carry_out(boot_of(metal, tmp_path, url=url, tls_sha256=pin), DONE)
    asked = metal.hall.emulator_log.removeprefix(before)
    assert "GET /redfish/v1/Systems" in asked
    assert "PATCH" not in asked
    assert "Actions" not in asked


def test_the_right_serial_number_is_enough_where_the_bmc_tells_it(metal: Metal, tmp_path: Path) -> None:
    def told(method: str, path: str, answer: Answer) -> Answer:
        return answer.with_fields(SerialNumber=SERIAL) if is_system(method, path) else answer

    with bmc_proxy(metal.hall, tmp_path / "proxy", told) as (url, pin):
        boot_of(metal, tmp_path, uuid=None, url=url, tls_sha256=pin).check_machine()


def test_without_a_serial_number_and_a_uuid_it_is_not_known_which_machine_it_is(metal: Metal, tmp_path: Path) -> None:
    with pytest.raises(UnknownStateError, match="tells no serial number"):
        carry_out(boot_of(metal, tmp_path, uuid=None), DONE)


def test_a_machine_without_the_port_is_another_machine(metal: Metal, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=f"no network port 52:54:00:78:00:99 .but {MAC}"):
        carry_out(boot_of(metal, tmp_path, macs=("52:54:00:78:00:99",)), DONE)
    assert as_it_was(metal)


def test_a_machine_that_is_on_is_in_use_and_left_on_also_by_going_back(metal: Metal, tmp_path: Path) -> None:
    metal.domain.create()
    machine = machine_of(metal, tmp_path, DONE)
    with pytest.raises(RefusedError, match="switched on"):
        machine.provide(lambda fraction, phase: None)
    machine.withdraw()
    assert metal.on


def test_what_somebody_else_has_inserted_is_left_alone(metal: Metal, tmp_path: Path) -> None:
    with story.other_medium(metal, tmp_path) as url:
        with pytest.raises(RefusedError, match="not ours"):
            carry_out(boot_of(metal, tmp_path), DONE)
        assert metal.bmc().medium().image == url


def test_an_installer_that_is_too_large_is_not_even_offered(metal: Metal, tmp_path: Path) -> None:
    def large(media: Any) -> None:
        with media.file.open("wb") as file:
            file.truncate(5 << 20)

    boot = boot_of(metal, tmp_path, media_mb_max=4)
    with boot.notebook.alone(), pytest.raises(InputError, match="5 MiB, media_mb_max is 4"):
        boot.carry_out("install", "ab" * 32, large, lambda *_: None, may_be_on=False)
    assert as_it_was(metal)
    assert not boot.notebook.iso.exists()


def test_a_second_one_is_refused_and_told_who_is_at_work(metal: Metal, tmp_path: Path) -> None:
    first = boot_of(metal, tmp_path)
    with first.notebook.alone(), pytest.raises(RefusedError, match=f"process {os.getpid()} is at work"):
        machine_of(metal, tmp_path, DONE).provide(lambda fraction, phase: None)
    assert as_it_was(metal)


# ------------------------------------------------------------------------------------------- a BMC that is not true


def test_an_insert_that_failed_and_says_that_it_worked_is_found_out(metal: Metal, tmp_path: Path) -> None:
    inserted = False

    def lies(method: str, path: str, answer: Answer) -> Answer:
        nonlocal inserted
        if path.endswith("InsertMedia"):
            inserted = True
            return answer.instead(204)
        if path.endswith("EjectMedia"):
            inserted = False
        if method == "GET" and path.endswith("/VirtualMedia/Cd") and inserted:
            return answer.with_fields(Inserted=True, Image="")
        return answer

    with (
        bmc_proxy(metal.hall, tmp_path / "proxy", lies) as (url, pin),
        pytest.raises(VerificationError, match="never asked for it"),
    ):
        carry_out(boot_of(metal, tmp_path, url=url, tls_sha256=pin), DONE)
    assert as_it_was(metal)
    assert "reboot" not in metal.said


def test_an_insert_that_fails_half_way_is_ejected_again(metal: Metal, tmp_path: Path) -> None:
    """The real service: without its storage pool it fetches the ISO, cannot keep it, and says `Inserted` ever after."""
    pool = metal.hall.connection.storagePoolLookupByName("default")
    pool.destroy()
    try:
        with pytest.raises(ApplianceError, match="cannot be inserted"):
            carry_out(boot_of(metal, tmp_path), DONE)
    finally:
        pool.create()
    assert as_it_was(metal)


def test_a_bmc_that_stops_answering_in_the_middle_is_put_back_by_the_next_call(
    metal: Metal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bmc_session, "ANSWER_SECONDS", 3.0)
    silent = False

    def dies(method: str, path: str, answer: Answer) -> Answer:
        nonlocal silent
        if silent:
            raise Hangs
        if path.endswith("ComputerSystem.Reset") and answer.status == 204:
            silent = True
        return answer

    with (
        bmc_proxy(metal.hall, tmp_path / "proxy", dies) as (url, pin),
        pytest.raises(UnreachableError, match="could not be put back") as stopped,
    ):
        carry_out(boot_of(metal, tmp_path, url=url, tls_sha256=pin), lines(STARTED), ends=False)
    assert "the next call puts both back first" in str(stopped.value)
    assert metal.has_cd
    monkeypatch.undo()
    carry_out(boot_of(metal, tmp_path), DONE)
    assert as_it_was(metal)


# ---------------------------------------------------------------------------------- an installer that does not do it


@pytest.mark.parametrize(
    ("text", "ends", "error", "words"),
    [
        (REFUSED, True, RefusedError, "no disk has the serial number DISK-9"),
        (DIES, True, ApplianceError, "went off before .*Oops: a fault in the disk"),
        (lines(STARTED), False, ApplianceError, "has said nothing for 3 s"),
        (lines('{"phase": "done", "action": "wipe"}'), True, ApplianceError, "another installer than ours"),
    ],
)
def test_what_the_installer_does_not_do_is_told_and_put_back(
    metal: Metal, tmp_path: Path, text: str, ends: bool, error: type[Exception], words: str
) -> None:
    boot = boot_of(metal, tmp_path)
    with pytest.raises(error, match=words):
        carry_out(boot, text, ends=ends)
    assert as_it_was(metal)
    assert boot.notebook.read() is None


def test_after_a_kill_the_next_call_puts_the_bmc_back_and_goes_on(metal: Metal, tmp_path: Path) -> None:
    killed = subprocess.Popen([sys.executable, "-m", "tests.provision.metal.story", metal.hall.url,
                               metal.hall.tls_sha256, metal.hall.here, str(metal.console), str(tmp_path)])  # fmt: skip
    wait(lambda: "started" in metal.said, 60, lambda: "the installer never started")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert metal.on
    assert metal.has_cd
    assert metal.bmc().boot_override().target == "Cd"
    carry_out(boot_of(metal, tmp_path), DONE)
    assert as_it_was(metal)


def test_a_kill_after_the_work_is_done_does_not_do_it_twice(metal: Metal, tmp_path: Path) -> None:
    boot = boot_of(metal, tmp_path)
    carry_out(boot, DONE)
    record = boot.notebook.read()
    assert record is not None
    boot.notebook.write(record.model_copy(update={"phase": "written"}))
    metal.put_on_disk(f"certificate sha256: {'ab' * 32} on 10.78.31.40\r\n")
    machine_of(metal, tmp_path, "not a word of this is said").provide(lambda fraction, phase: None)
    assert metal.said.count('"done"') == 1
