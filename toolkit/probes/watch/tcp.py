"""The watch's TCP connections: a new one on every tick, on ordinary sockets, reset as soon as it stands."""

import errno
import select
import socket
import struct
from dataclasses import dataclass

from toolkit.probes.sockets import family_of, socket_address
from toolkit.probes.watch.worker import Pace, Worker

_RESET_ON_CLOSE = struct.pack("=ii", 1, 0)  # SO_LINGER: leaves no TIME_WAIT, so a day's watch uses up no ports


@dataclass
class _Attempt:
    sequence: int
    sent_us: int
    caller: socket.socket


def watch_tcp(worker: Worker) -> None:
    """An established connection is an answer; a refusal is none, for the service is not there.

    One that hangs is left hanging for as long as a user would wait, so that it is known how long that was.
    """
    pace = Pace(worker.request.tcp_interval_ms)
    patience_us = int(worker.request.patience_ms * 1000)
    attempts: dict[int, _Attempt] = {}
    with select.epoll() as poll:
        sequence = worker.first_sequence
        while not worker.stopping:
            left = pace.left_s()
            if left <= 0:
                attempt = _begin(worker, sequence)
                sequence += 1
                if attempt is not None:
                    attempts[attempt.caller.fileno()] = attempt
                    poll.register(attempt.caller, select.EPOLLOUT)
                pace.advance()
                _give_up(worker, attempts, patience_us)
                worker.flush_when_due()
                left = max(0.0, pace.left_s())
            _settle(worker, attempts, poll, left)
        while attempts:
            _settle(worker, attempts, poll, 0.01)
            _give_up(worker, attempts, int(worker.request.timeout_ms * 1000))


def _begin(worker: Worker, sequence: int) -> _Attempt | None:
    address = worker.target.address
    sent_us = worker.now_us()
    worker.sent(sequence, sent_us)
    try:
        caller = socket.socket(family_of(address), socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError:
        worker.failed(sequence, sent_us)
        return None  # no descriptor left: a loss of our own, and the supervisor's limits say how many there are
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    problem = caller.connect_ex(socket_address(address, worker.request.tcp_port or 0))
    if problem not in {0, errno.EINPROGRESS}:
        caller.close()
        worker.failed(sequence, worker.now_us())
        return None
    return _Attempt(sequence, sent_us, caller)


def _settle(worker: Worker, attempts: dict[int, _Attempt], poll: select.epoll, wait_s: float) -> None:
    for descriptor, _ in poll.poll(wait_s):
        attempt = attempts.pop(descriptor)
        if attempt.caller.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            worker.answered(attempt.sequence, worker.now_us())
        else:
            worker.failed(attempt.sequence, worker.now_us())
        attempt.caller.close()


def _give_up(worker: Worker, attempts: dict[int, _Attempt], patience_us: int) -> None:
    now_us = worker.now_us()
    for descriptor, attempt in list(attempts.items()):
        if now_us - attempt.sent_us < patience_us:
            return  # in order of their start: the rest is younger
        del attempts[descriptor]
        attempt.caller.close()
        worker.failed(attempt.sequence, now_us)
