"""NVMe sanitize and format against a controller that refuses what it does not know.

No controller here does Sanitize, QEMU's neither: it has Format NVM, which tests/images/test_wiping_nvme.py sends it.
"""

import struct
from collections.abc import Iterator

import pytest

from toolkit.disks.commands.door import Admin, OpenNvme, encoded
from toolkit.disks.commands.nvme import FORMAT, GET_LOG_PAGE, IDENTIFY, SANITIZE, format_word, offer, sanitized
from toolkit.disks.commands.technique import CommandFailed
from toolkit.disks.commands.waiting import under_way
from toolkit.disks.refusal import Failed


class Controller:
    """One controller with its namespaces; `states` are what the sanitize log says, one after the other."""

    def __init__(
        self, *, sanicap: int = 0, fna: int = 0, oacs: int = 2, active: tuple[int, ...] = (1,), refuses: int = 0
    ) -> None:
        self.sanicap, self.fna, self.oacs, self.active, self.refuses = sanicap, fna, oacs, active, refuses
        self.done: list[Admin] = []
        self.states: Iterator[tuple[int, int]] = iter(())

    def admin(self, command: Admin) -> bytes:
        if command.opcode == self.refuses:
            raise CommandFailed("status 0x1")
        if command.opcode == IDENTIFY:
            return self._identify(command)
        if command.opcode == GET_LOG_PAGE:
            assert (command.namespace, command.cdw10, command.reads) == (0xFFFFFFFF, 0x007F0081, 512)
            return struct.pack("<HH", *next(self.states)).ljust(512, b"\0")
        if command.opcode in (SANITIZE, FORMAT):
            self.done.append(command)
            return b""
        raise AssertionError(f"a command that no controller was told of: {command}")

    def _identify(self, command: Admin) -> bytes:
        page = bytearray(4096)
        if command.cdw10 == 1:
            page[256:258] = struct.pack("<H", self.oacs)
            page[328], page[524] = self.sanicap, self.fna
        elif command.cdw10 == 2:
            page[: 4 * len(self.active)] = struct.pack(f"<{len(self.active)}I", *self.active)
        else:
            assert (command.cdw10, command.namespace) == (0, 1)
            page[25], page[26] = 1, 1
        return bytes(page)


def names(controller: Controller, namespace: int = 1) -> list[str]:
    return [technique.name for technique in offer(controller, namespace).techniques]


def test_the_best_comes_first_and_only_what_the_controller_has() -> None:
    assert names(Controller(sanicap=3, fna=4)) == [
        "nvme-block-erase", "nvme-crypto-erase", "nvme-format", "nvme-format-crypto",
    ]  # fmt: skip
    assert names(Controller(sanicap=1, oacs=0)) == ["nvme-crypto-erase"]
    assert names(Controller(oacs=0)) == []


def test_nothing_is_offered_that_would_reach_another_namespace() -> None:
    shared = Controller(sanicap=3, fna=4, active=(1, 2))
    assert names(shared) == ["nvme-format", "nvme-format-crypto"]
    assert "other namespaces: 2" in offer(shared, 1).missing
    for reaches_all in (1, 2):
        assert names(Controller(sanicap=3, fna=reaches_all, active=(1, 2))) == []


def test_a_controller_that_does_not_answer_offers_nothing_and_says_why() -> None:
    assert "status 0x1" in offer(Controller(refuses=IDENTIFY), 1).missing


def test_sanitize_is_begun_once_and_followed_to_its_end() -> None:
    controller = Controller(sanicap=2)
    controller.states = iter([(0, 2), (0x8000, 2), (0xFFFF, 1)])
    told: list[float] = []
    slept: list[float] = []
    offer(controller, 1).techniques[0].run(told.append, slept.append)
    assert [(one.opcode, one.cdw10) for one in controller.done] == [(SANITIZE, 2)]
    assert told == [0.0, 0.0, 0.5, 1.0]
    assert len(slept) == 2


@pytest.mark.parametrize(("state", "words"), [(3, "operation failed"), (0, "has sanitized nothing")])
def test_a_sanitize_operation_that_failed_or_never_was_is_no_erasure(state: int, words: str) -> None:
    controller = Controller(sanicap=2)
    controller.states = iter([(0, 2), (0, state)])
    with pytest.raises(Failed, match=words):
        offer(controller, 1).techniques[0].run(lambda _: None, lambda _: None)


@pytest.mark.parametrize(("said", "done"), [((0x8000, 2), 0.5), ((0xFFFF, 1), None), ((0, 3), None), ((0, 0), None)])
def test_an_erasure_that_goes_on_by_itself_is_known(said: tuple[int, int], done: float | None) -> None:
    controller = Controller(sanicap=2)
    controller.states = iter([said])
    assert under_way(lambda: sanitized(controller)) == done
    assert under_way(lambda: sanitized(Controller(refuses=GET_LOG_PAGE))) is None


def test_a_refused_sanitize_has_done_nothing() -> None:
    with pytest.raises(CommandFailed):
        offer(Controller(sanicap=2, refuses=SANITIZE), 1).techniques[0].run(lambda _: None, lambda _: None)


def test_format_keeps_the_sectors_as_they_are_and_sets_what_is_erased() -> None:
    controller = Controller(fna=4)
    for technique in offer(controller, 1).techniques:
        technique.run(lambda _: None, lambda _: None)
    assert [(one.opcode, one.namespace, one.cdw10) for one in controller.done] == [
        (FORMAT, 1, 1 | 1 << 9), (FORMAT, 1, 1 | 2 << 9),
    ]  # fmt: skip
    page = bytearray(4096)
    page[25], page[26], page[29] = 20, 0b0111_0010, 0b1011  # format 50, metadata at the end, protection 3 at the front
    assert format_word(bytes(page), 1) == 2 | 1 << 4 | 3 << 5 | 1 << 8 | 1 << 9 | 3 << 12


def test_a_command_lies_in_memory_as_the_kernel_reads_it() -> None:
    raw = encoded(Admin(SANITIZE, 7, 2, 3, reads=512, timeout_ms=9), 0x1122334455667788)
    assert len(raw) == 72
    assert (raw[0], raw[4:8], raw[24:32]) == (SANITIZE, b"\x07\0\0\0", bytes.fromhex("8877665544332211"))
    assert (raw[36:40], raw[40:44], raw[44:48], raw[64:68]) == (b"\0\2\0\0", b"\2\0\0\0", b"\3\0\0\0", b"\x09\0\0\0")


def test_what_is_no_nvme_disk_refuses_the_command() -> None:
    with open("/dev/null", "rb") as nothing, pytest.raises(CommandFailed, match="0x6"):  # noqa: PTH123
        OpenNvme(nothing.fileno()).admin(Admin(IDENTIFY, cdw10=1, reads=4096))
