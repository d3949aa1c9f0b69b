"""Many questions at once: only who kept silent is asked again, and whom the kernel refuses stops nobody else."""

import ipaddress
import socket
from collections.abc import Callable, Iterator

import pytest

from toolkit.probes.batches import socket_name
from toolkit.probes.rounds import Rounds

FORBIDDEN = socket_name(ipaddress.ip_address("255.255.255.255"), 9)
"""Broadcasts need a socket that was opened for them: sending there is refused."""


class Asked:
    """A socket on loopback, and everything that was asked of it, in order."""

    def __init__(self, answers: Callable[[int, int], bool], forbidden: frozenset[int] = frozenset()) -> None:
        self.questions: list[int] = []
        self.asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.asked.bind(("127.0.0.1", 0))
        self.asked.setblocking(False)
        name = socket_name(ipaddress.ip_address("127.0.0.1"), self.asked.getsockname()[1])
        self._answers = answers
        self.rounds = Rounds(
            self.asking,
            2,
            range(200),
            lambda numbers: (
                [number.to_bytes(2, "big") for number in numbers],
                [FORBIDDEN if number in forbidden else name for number in numbers],
            ),
            self._take,
        )

    def _take(self) -> None:
        for number in self._arrived():
            self.questions.append(number)
            if self._answers(number, self.questions.count(number)):
                del self.rounds.waiting[number]

    def _arrived(self) -> Iterator[int]:
        while True:
            try:
                yield int.from_bytes(self.asked.recv(2), "big")
            except BlockingIOError:
                return

    def close(self) -> None:
        self.asking.close()
        self.asked.close()


@pytest.fixture
def asked_by(request: pytest.FixtureRequest) -> Callable[..., Asked]:
    def make(answers: Callable[[int, int], bool], forbidden: frozenset[int] = frozenset()) -> Asked:
        asked = Asked(answers, forbidden)
        request.addfinalizer(asked.close)
        return asked

    return make


def test_only_who_kept_silent_is_asked_again_and_in_order(asked_by: Callable[..., Asked]) -> None:
    asked = asked_by(lambda number, times: number % 2 == 0 or times == 2)
    told: list[tuple[float, str]] = []
    asked.rounds.ask("hosts", timeout_s=0.01, retries=3, progress=lambda done, phase: told.append((done, phase)))
    assert asked.questions == [*range(200), *range(1, 200, 2)]
    assert told == [(0.0, "round 1, 200 hosts to ask"), (0.25, "round 2, 100 hosts to ask")]
    assert (list(asked.rounds.waiting), asked.rounds.unsent) == ([], set())


def test_silence_ends_with_the_last_round(asked_by: Callable[..., Asked]) -> None:
    asked = asked_by(lambda number, _: number != 7)
    asked.rounds.ask("hosts", timeout_s=0.01, retries=1, progress=None)
    assert asked.questions == [*range(200), 7]
    assert list(asked.rounds.waiting) == [7]


def test_whom_the_kernel_will_not_send_to_is_left_out_and_the_others_are_asked(asked_by: Callable[..., Asked]) -> None:
    forbidden = frozenset({0, 63, 64, 150, 199})  # the first and the last, of the sweep and of a batch
    asked = asked_by(lambda *_: True, forbidden)
    asked.rounds.ask("hosts", timeout_s=0.01, retries=0, progress=None)
    assert asked.questions == [number for number in range(200) if number not in forbidden]
    assert set(asked.rounds.waiting) == asked.rounds.unsent == forbidden
