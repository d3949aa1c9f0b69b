"""The old machine's firmware is reset where that is offered, and only what was read back counts."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.step_context import context_of, world_of
from toolkit.model.errors import InputError, RefusedError, StorageError, UnreachableError
from toolkit.model.execution import Outcome, StepContext
from toolkit.model.firmware import BiosState, BmcReset, BmcSeen, FirmwareScope, KeyDatabase
from toolkit.model.verdict import Verdict
from toolkit.reset.firmware import ResetFirmware
from toolkit.reset.firmware_defaults import judge_bios, judge_bmc, judge_keys

SITES = {"BootMode": "Legacy", "AdminPassword": "hunter2"}
FACTORYS = {"BootMode": "Uefi", "AdminPassword": ""}


@dataclass
class Machine:
    """A machine of a test's; everything that is done to it is noted."""

    scope: FirmwareScope = "bios"
    attributes: dict[str, str] | None = field(default_factory=lambda: dict(SITES))
    defaults: dict[str, str] = field(default_factory=dict)
    databases: dict[str, str] = field(default_factory=dict)
    offered: BmcReset | None = None
    another: bool = False
    waits_for_start: bool = False
    ignores: bool = False
    bmc: list[BmcSeen] = field(default_factory=lambda: ["accepts-us"])
    done: list[str] = field(default_factory=list)
    pending: bool | None = None
    dies_at: str = ""

    def _note(self, what: str) -> None:
        self.done.append(what)
        if what == self.dies_at:
            raise KeyboardInterrupt

    def check_machine(self) -> None:
        if self.another:
            raise RefusedError("another machine is behind this BMC")

    def bios(self) -> BiosState | None:
        if self.attributes is None:
            return None
        return BiosState(dict(self.attributes), self.defaults, self.pending)

    def reset_bios(self) -> None:
        if self.waits_for_start:
            self.pending = True
        elif not self.ignores:
            self.attributes = dict(FACTORYS)
        self._note("reset-bios")

    def key_databases(self) -> tuple[KeyDatabase, ...]:
        factory = frozenset({"factory"})
        return tuple(KeyDatabase(name, frozenset({held}), factory) for name, held in self.databases.items())

    def reset_keys(self) -> None:
        self.databases = dict.fromkeys(self.databases, "factory")
        self._note("reset-keys")

    def start(self) -> None:
        if self.pending:
            self.pending, self.attributes = False, dict(FACTORYS)
        self._note("start")

    def switch_off(self) -> None:
        self._note("off")

    def bmc_reset(self) -> BmcReset | None:
        return self.offered

    def reset_bmc(self, how: BmcReset) -> None:
        if not self.ignores:
            self.bmc = ["accepts-us", "silent", "refuses-us"]
        self._note(f"reset-bmc {how}")

    def bmc_seen(self) -> tuple[BmcSeen, str]:
        return (self.bmc.pop(0) if len(self.bmc) > 1 else self.bmc[0]), "as it was seen"


def context(folder: Path, machine: Machine | None) -> StepContext:
    return context_of(folder, world_of(folder, old_firmware=machine))


def carried_out(folder: Path, machine: Machine) -> Outcome:
    """The step as the engine does it, once."""
    step, given = ResetFirmware(), context(folder, machine)
    return step.verify(given, step.look(given) or step.act(given))


def test_a_bios_is_reset_and_read_back_and_none_of_its_values_is_kept(tmp_path: Path) -> None:
    machine = Machine()
    outcome = carried_out(tmp_path, machine)
    assert outcome.verdict is Verdict.PASSED
    assert "2 settings have changed with its reset" in outcome.summary
    assert machine.done == ["reset-bios", "off"]
    kept = "".join(path.read_text() for path in tmp_path.iterdir())
    assert "hunter2" not in kept + outcome.summary


def test_published_defaults_are_compared_one_by_one(tmp_path: Path) -> None:
    assert "1 setting is at the defaults" in carried_out(tmp_path, Machine(defaults={"BootMode": "Uefi"})).summary


def test_what_waits_for_a_start_gets_one_and_the_machine_is_off_afterwards(tmp_path: Path) -> None:
    machine = Machine(waits_for_start=True)
    outcome = carried_out(tmp_path, machine)
    assert (outcome.verdict, machine.done) == (Verdict.PASSED, ["reset-bios", "start", "off"])
    assert "waits for a start, and now that it is done" in outcome.summary


def test_a_reset_that_nobody_can_see_is_unknown_and_says_how_to_go_on(tmp_path: Path) -> None:
    outcome = carried_out(tmp_path, Machine(ignores=True))
    assert outcome.verdict is Verdict.UNKNOWN
    assert "none of 2 settings has changed" in outcome.summary
    assert 'firmware_reset = "none"' in outcome.next_move


def test_settings_that_stay_have_failed_and_are_asked_for_again_by_a_resume(tmp_path: Path) -> None:
    machine = Machine(ignores=True, defaults={"BootMode": "Uefi"})
    assert carried_out(tmp_path, machine).verdict is Verdict.FAILED
    machine.ignores = False
    assert carried_out(tmp_path, machine).verdict is Verdict.PASSED
    assert machine.done.count("reset-bios") == 2


def test_what_is_not_offered_is_skipped_and_said_and_is_no_pass(tmp_path: Path) -> None:
    machine = Machine(scope="bios-and-bmc", attributes=None)
    outcome = carried_out(tmp_path, machine)
    assert outcome.verdict is Verdict.SKIPPED
    assert outcome.summary.count("offers no reset") == 3
    assert machine.done == ["off"]


def test_what_the_inventory_does_not_want_is_left_alone(tmp_path: Path) -> None:
    machine = Machine(scope="none", another=True)
    assert (carried_out(tmp_path, machine).verdict, machine.done) == (Verdict.SKIPPED, [])


def test_another_machine_is_left_alone(tmp_path: Path) -> None:
    machine = Machine(another=True)
    with pytest.raises(RefusedError):
        ResetFirmware().act(context(tmp_path, machine))
    assert machine.done == []


def test_secure_boot_keys_are_the_factorys_afterwards(tmp_path: Path) -> None:
    machine = Machine(databases={"PK": "ours", "db": "factory"})
    outcome = carried_out(tmp_path, machine)
    assert (outcome.verdict, machine.done) == (Verdict.PASSED, ["reset-bios", "reset-keys", "off"])
    assert "PK, db hold the factory's keys" in outcome.summary


def test_the_bmc_comes_last_and_has_to_forget_us(tmp_path: Path) -> None:
    machine = Machine(scope="bios-and-bmc", offered="PreserveNetwork")
    outcome = carried_out(tmp_path, machine)
    assert (outcome.verdict, machine.done) == (Verdict.PASSED, ["reset-bios", "off", "reset-bmc PreserveNetwork"])
    assert "our account counts no more" in outcome.summary
    assert "2 settings have changed" in outcome.summary, "what was read back before the BMC forgot us"


def test_a_bmc_that_is_needed_to_find_out_about_the_rest_is_not_reset(tmp_path: Path) -> None:
    machine = Machine(scope="bios-and-bmc", offered="ResetAll", ignores=True)
    assert carried_out(tmp_path, machine).verdict is Verdict.UNKNOWN
    assert machine.done == ["reset-bios", "start", "off"]


def test_a_bmc_that_still_takes_our_account_has_failed(tmp_path: Path) -> None:
    machine = Machine(scope="bios-and-bmc", attributes=None, offered="ResetAll", ignores=True)
    outcome = carried_out(tmp_path, machine)
    assert (outcome.verdict, "still takes our account" in outcome.summary) == (Verdict.FAILED, True)


@pytest.mark.parametrize("dies_at", ["reset-bios", "reset-keys", "start", "off", "reset-bmc PreserveNetwork"])
def test_killed_anywhere_it_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path, dies_at: str) -> None:
    machine = Machine(
        scope="bios-and-bmc",
        waits_for_start=True,
        databases={"PK": "ours"},
        offered="PreserveNetwork",
        dies_at=dies_at,
    )
    with pytest.raises(KeyboardInterrupt):
        ResetFirmware().act(context(tmp_path, machine))
    machine.dies_at, machine.bmc = "", machine.bmc[-1:]  # time has passed
    outcome = carried_out(tmp_path, machine)
    assert outcome.verdict is Verdict.PASSED, outcome.summary
    assert machine.done.count("reset-bmc PreserveNetwork") == 1, "a BMC that has forgotten us is not asked again"


def test_a_bmc_that_cannot_be_asked_at_the_end_is_no_pass(tmp_path: Path) -> None:
    machine = Machine()
    step, given = ResetFirmware(), context(tmp_path, machine)
    result = step.act(given)

    def off() -> BiosState | None:
        raise UnreachableError("the BMC does not answer")

    machine.bios = off  # type: ignore[method-assign]
    with pytest.raises(UnreachableError):
        step.verify(given, result)


def test_a_damaged_record_and_a_missing_bmc_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\[old_bmc\]"):
        ResetFirmware().act(context(tmp_path, None))
    (tmp_path / "firmware-reset.json").write_text("{]")
    with pytest.raises(StorageError, match="once more"):
        ResetFirmware().look(context(tmp_path, Machine()))


@pytest.mark.parametrize(
    ("state", "before", "waited", "verdict"),
    [
        (BiosState({"A": 1}, {"A": "1"}), {}, False, Verdict.PASSED),
        (BiosState({"A": 2}, {"A": 1}), {}, True, Verdict.FAILED),
        (BiosState({"A": 1}, {"A": 1}, pending=True), {}, True, Verdict.UNKNOWN),
        (BiosState({"A": 1}, {"B": 1}), {}, False, Verdict.PASSED),
        (BiosState({}, {"B": 1}), {}, False, Verdict.UNKNOWN),
        (BiosState({}, {}, pending=False), {}, True, Verdict.PASSED),
    ],
)
def test_a_bios_is_judged_by_defaults_else_by_its_word_that_it_is_done_else_by_what_changed(
    state: BiosState, before: dict[str, str], waited: bool, verdict: Verdict
) -> None:
    assert judge_bios(state, before, "salt", waited=waited).verdict is verdict


def test_keys_of_which_the_factory_shows_none_are_unknown() -> None:
    assert judge_keys([KeyDatabase("PK", frozenset(), frozenset())]).verdict is Verdict.UNKNOWN
    assert judge_keys([KeyDatabase("PK", frozenset({"ours"}), frozenset())]).verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("seen", "how", "verdict"),
    [
        ("refuses-us", "PreserveNetwork", Verdict.PASSED),
        ("accepts-us", "ResetAll", Verdict.FAILED),
        ("silent", "ResetAll", Verdict.PASSED),
        ("silent", "PreserveNetwork", Verdict.UNKNOWN),
    ],
)
def test_silence_is_an_answer_only_of_a_bmc_that_had_to_forget_its_address(
    seen: BmcSeen, how: BmcReset, verdict: Verdict
) -> None:
    assert judge_bmc(seen, "said", how).verdict is verdict
