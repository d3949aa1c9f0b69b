"""Many questions in batches, round by round: those that got no answer are asked again."""

import errno
import select
import socket
import time
from collections.abc import Callable, Iterable

from toolkit.model.errors import InputError
from toolkit.model.execution import Progress
from toolkit.probes.batches import BatchSender
from toolkit.probes.sockets import Address

_FULL = frozenset({errno.EAGAIN, errno.ENOBUFS})
_PATIENCE_S = 0.25


class Rounds:
    """One sweep's open questions, by number, and their way through one socket.

    `waiting` are those without an answer so far, in the order in which they are asked; whoever takes the answers takes
    them out of it. `unsent` are those that the kernel would not send in the last round.
    """

    def __init__(
        self,
        asking: socket.socket,
        packet_bytes: int,
        questions: Iterable[int],
        packets: Callable[[list[int]], tuple[list[bytes], list[bytes]]],
        take: Callable[[], None],
    ) -> None:
        """`packets` makes a batch's packets and socket names, `take` takes whatever answers have arrived."""
        # a dictionary: a set has no order
        self.waiting = dict.fromkeys(questions)
        self.unsent: set[int] = set()
        self._sender = BatchSender(asking, packet_bytes)
        self._packets = packets
        self._take = take
        self._poll = select.poll()
        self._poll.register(asking, select.POLLIN)

    def ask(self, what: str, *, timeout_s: float, retries: int, progress: Progress | None) -> None:
        """Asks everybody, then again (`retries`) whoever kept silent for `timeout_s` after the last packet.

        `what` is what progress calls them.
        """
        for turn in range(retries + 1):
            if progress is not None:
                progress(turn / (retries + 1), f"round {turn + 1}, {len(self.waiting)} {what} to ask")
            self._ask_waiting(timeout_s)
            if not self.waiting:
                return

    def _ask_waiting(self, timeout_s: float) -> None:
        questions = list(self.waiting)
        self.unsent = set()
        slots = self._sender.slots
        for first in range(0, len(questions), slots):
            self._send(questions[first : first + slots])
            self._take()
        deadline = time.monotonic() + timeout_s
        while self.waiting and (left := deadline - time.monotonic()) > 0:
            if self._poll.poll(left * 1000.0):
                self._take()

    def _send(self, questions: list[int]) -> None:
        patience = time.monotonic() + _PATIENCE_S
        packets, names = self._packets(questions)
        sent = 0
        while sent < len(questions):
            taken, problem = self._sender.send(packets[sent:], names[sent:])
            sent += taken
            if sent == len(questions):
                return
            if problem in _FULL and time.monotonic() < patience:
                self._poll.poll(1.0)
                self._take()
            else:
                # left out: it stays among the waiting and is asked again in the next round
                self.unsent.add(questions[sent])
                sent += 1


def check_one_version(targets: Iterable[Address]) -> None:
    """Raises InputError when IPv4 and IPv6 addresses are mixed: one socket reaches only one kind."""
    if len({target.version for target in targets}) > 1:
        raise InputError("IPv4 and IPv6 addresses in one sweep", next_move="Sweep them one after the other.")
