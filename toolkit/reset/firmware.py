"""The old machine's firmware: BIOS settings, Secure Boot keys and the BMC's own, reset where its BMC offers that (H8).

What is not offered is skipped, and said; what was asked for and cannot be read back is unknown. The BMC comes last and
only when all else is known: afterwards it may not be there to be asked.
"""

import secrets
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from toolkit.appliances.connection import wait_until
from toolkit.appliances.provisioner import FirmwareResetter
from toolkit.appliances.world import World
from toolkit.model.errors import InputError
from toolkit.model.execution import Outcome, Result, StepContext
from toolkit.model.firmware import BmcReset
from toolkit.model.verdict import Verdict, combine
from toolkit.reset.final import Final
from toolkit.reset.firmware_defaults import Part, digests, judge_bios, judge_bmc, judge_keys
from toolkit.reset.kept import read_kept
from toolkit.storage.whole_file import write_whole

_FILE = "firmware-reset.json"
_START_SECONDS, _BMC_SECONDS = 600.0, 300.0
"""How long a large machine may take until its firmware has started; and a BMC, until it has started anew."""

_POLL_SECONDS = 2.0
_BIOS, _KEYS, _BMC = "BIOS", "Secure Boot keys", "BMC"


class _Record(BaseModel):
    """`firmware-reset.json`: what was found, what was asked for, and how each part stood when it was read back."""

    model_config = ConfigDict(extra="forbid")

    salt: str = Field(default_factory=lambda: secrets.token_hex(16))
    bios_before: dict[str, str] | None = None
    bios_waited: bool = False
    bmc_asked: BmcReset | None = None
    parts: dict[str, Part] = Field(default_factory=dict)
    ended: bool = False


class ResetFirmware(Final):
    """Asks for defaults, starts the machine once where they wait for that, and reads everything back."""

    def look(self, context: StepContext) -> Result | None:
        """Done when all that is wanted was read back; also when the BMC, asked to forget us, has."""
        record = _read(context)
        if record.bmc_asked is not None:
            return _result(record) if _firmware(context).bmc_seen()[0] != "accepts-us" else None
        return _result(record) if record.ended and all(part.holds for part in record.parts.values()) else None

    def act(self, context: StepContext) -> Result:
        """One part after the other; what this run has asked for before is asked for once more, which is harmless."""
        firmware, record = _firmware(context), _read(context)
        record.ended, record.bmc_asked, record.parts = False, None, {}
        if firmware.scope == "none":
            record.parts["firmware"] = Part(verdict=Verdict.SKIPPED, what="the inventory wants no reset of it")
        else:
            firmware.check_machine()
            _ask(context, firmware, record)
            _settle(context, firmware, record)
            if firmware.scope == "bios-and-bmc":
                _ask_bmc(context, firmware, record)
        record.ended = True
        _write(context, record)
        return _result(record)

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Read back once more; of a BMC that has forgotten us, what was read back before it did."""
        firmware, record = _firmware(context), _read(context)
        if record.bmc_asked is not None:
            record.parts[_BMC] = _bmc_at_last(context, firmware, record.bmc_asked)
        elif firmware.scope != "none" and "firmware" not in record.parts:
            firmware.check_machine()
            record.parts |= _read_back(firmware, record)
        return _told(context, record)


def _ask(context: StepContext, firmware: FirmwareResetter, record: _Record) -> None:
    """Asks for the defaults of BIOS and keys; what was found before is on the disk by then."""
    bios, keys = firmware.bios(), firmware.key_databases()
    if bios is not None:
        if record.bios_before is None:
            record.bios_before = digests(bios.attributes, record.salt)
            _write(context, record)
        context.progress(0.1, "BIOS settings")
        firmware.reset_bios()
    if keys:
        context.progress(0.2, "Secure Boot keys")
        firmware.reset_keys()


def _settle(context: StepContext, firmware: FirmwareResetter, record: _Record) -> None:
    """Reads back; where that does not show defaults yet, the machine is started once. It is off afterwards."""
    record.parts |= _read_back(firmware, record)
    if not all(part.holds for part in record.parts.values()):
        context.progress(0.3, "the machine is started, so that its firmware takes it up")
        firmware.start()

        def settled() -> bool:
            record.parts |= _read_back(firmware, record)
            return all(part.holds for part in record.parts.values())

        _within(context, settled, _START_SECONDS)
    firmware.switch_off()
    _write(context, record)


def _read_back(firmware: FirmwareResetter, record: _Record) -> dict[str, Part]:
    bios, keys = firmware.bios(), firmware.key_databases()
    not_offered = Part(verdict=Verdict.SKIPPED, what="the BMC offers no reset of it that could be read back")
    parts = {_BIOS: not_offered, _KEYS: judge_keys(keys) if keys else not_offered}
    if bios is not None and record.bios_before is not None:
        record.bios_waited |= bool(bios.pending)
        parts[_BIOS] = judge_bios(bios, record.bios_before, record.salt, waited=record.bios_waited)
    elif record.bios_before is not None:
        parts[_BIOS] = Part(verdict=Verdict.UNKNOWN, what="the BMC does not show its settings any more")
    return parts


def _ask_bmc(context: StepContext, firmware: FirmwareResetter, record: _Record) -> None:
    """Last of all, and only when nothing has to be asked of the BMC any more."""
    if not all(part.holds for part in record.parts.values()):
        record.parts[_BMC] = Part(verdict=Verdict.SKIPPED, what="not reset: it is needed to find out about the rest")
        return
    how = firmware.bmc_reset()
    if how is None:
        what = "it offers no reset that forgets its accounts, or is other machines' too"
        record.parts[_BMC] = Part(verdict=Verdict.SKIPPED, what=what)
        return
    context.progress(0.8, "the BMC's own settings")
    record.bmc_asked = how
    _write(context, record)
    firmware.reset_bmc(how)


def _bmc_at_last(context: StepContext, firmware: FirmwareResetter, how: BmcReset) -> Part:
    seen = [firmware.bmc_seen()]

    def refuses() -> bool:
        seen.append(firmware.bmc_seen())
        return seen[-1][0] == "refuses-us"

    if seen[0][0] != "refuses-us":
        _within(context, refuses, _BMC_SECONDS)
    return judge_bmc(*seen[-1], how)


def _within(context: StepContext, check: Callable[[], bool], seconds: float) -> bool:
    clock = context.clock
    return wait_until(check, seconds=seconds, interval=_POLL_SECONDS, sleep=clock.sleep, monotonic=clock.monotonic)


def _told(context: StepContext, record: _Record) -> Outcome:
    """Skipped when there was nothing to check, and so nothing was; never passed by that."""
    verdicts = {part.verdict for part in record.parts.values()}
    verdict = Verdict.SKIPPED if verdicts == {Verdict.SKIPPED} else combine(verdicts)
    summary = " ".join(f"{name}: {part.what}." for name, part in record.parts.items()) or "Nothing was checked."
    kept = context.evidence.record(
        probe="redfish",
        subject="old machine",
        summary=summary,
        verdict=verdict,
        data={name: part.model_dump(mode="json") for name, part in record.parts.items()},
    )
    way_on = (
        'Look into the machine\'s own setup pages. When its firmware is not to be reset, set firmware_reset = "none" '
        f"in {context.world.inventory_file}, then resume; the box stays in quarantine until it is released."
    )
    return Outcome(verdict, summary, (kept,), next_move=way_on)  # told only where the step did not end well


def _result(record: _Record) -> Result:
    return {"firmware": {name: part.what for name, part in record.parts.items()}}


def _firmware(context: StepContext) -> FirmwareResetter:
    world: World = context.world
    if world.old_firmware is None:
        raise InputError("the old machine's BMC is not known", next_move="Put [old_bmc] back into the inventory.")
    return world.old_firmware


def _read(context: StepContext) -> _Record:
    return read_kept(
        context.run_directory / _FILE,
        _Record.model_validate_json,
        _Record,
        what="it cannot be read what was reset of the old machine's firmware",
        then="Delete that file and resume: the firmware is reset once more.",
    )


def _write(context: StepContext, record: _Record) -> None:
    write_whole(
        context.run_directory / _FILE,
        record.model_dump_json(indent=1).encode(),
        what="it cannot be written down what is reset of the old machine's firmware",
        then="resume; asking for it twice is harmless",
    )
