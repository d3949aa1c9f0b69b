"""Who is connected, how far each is, and who has to go: the limits kept, without looking into any protocol."""

import asyncio
import enum
import time
from collections.abc import Callable

from toolkit.emulator.web_server.limits import Limits

_SWEEP_SECONDS = 0.5


class Stage(enum.IntEnum):
    """How far a connection is; those with lower numbers go first when room is needed."""

    SILENT = 0
    HANDSHAKE = 1
    HEADER = 2
    IDLE = 3
    AT_WORK = 4


class Connection:
    """One connection, opened and in its stage since then by the monotonic clock.

    `close` ends it at once, `overdue` says whether one at work makes no progress.
    """

    __slots__ = ("close", "opened", "overdue", "peer", "since", "stage")

    def __init__(self, peer: str, close: Callable[[], None]) -> None:
        self.peer = peer
        self.close = close
        self.overdue: Callable[[float], bool] | None = None
        self.stage = Stage.SILENT
        self.opened = self.since = time.monotonic()


class Connections:
    """All connections of a server."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        # in the order in which they came to their stage
        self._by_stage: dict[Stage, dict[Connection, None]] = {stage: {} for stage in Stage}
        self._by_peer: dict[str, set[Connection]] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._seconds = {
            Stage.SILENT: limits.silent_seconds,
            Stage.HANDSHAKE: limits.handshake_seconds,
            Stage.HEADER: limits.header_seconds,
        }

    def __len__(self) -> int:
        return sum(map(len, self._by_stage.values()))

    def admit(self, connection: Connection) -> bool:
        """Whether it may stay; another one may be closed for it."""
        peers = self._by_peer.get(connection.peer, set())
        if len(peers) >= self.limits.per_address_max and not self._make_room(peers):
            return False
        if len(self) >= self.limits.connections_max and not self._make_room():
            return False
        self._by_peer.setdefault(connection.peer, set()).add(connection)
        self._by_stage[connection.stage][connection] = None
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)
        return True

    def moved(self, connection: Connection, stage: Stage) -> None:
        """It has come to a stage; staying in one does not start its time anew."""
        if stage is connection.stage or connection not in self._by_stage[connection.stage]:
            return
        del self._by_stage[connection.stage][connection]
        connection.stage = stage
        connection.since = time.monotonic()
        self._by_stage[stage][connection] = None

    def left(self, connection: Connection) -> None:
        """It is gone; may be told again."""
        self._by_stage[connection.stage].pop(connection, None)
        peers = self._by_peer.get(connection.peer)
        if peers is not None:
            peers.discard(connection)
            if not peers:
                del self._by_peer[connection.peer]

    def close(self, stage: Stage) -> None:
        """Ends all of a stage."""
        for connection in list(self._by_stage[stage]):
            self._end(connection)

    def _make_room(self, among: set[Connection] | None = None) -> bool:
        for stage in (Stage.SILENT, Stage.HANDSHAKE, Stage.HEADER, Stage.IDLE):
            waiting = self._by_stage[stage]
            chosen = next((one for one in waiting if among is None or one in among), None)
            if chosen is not None:
                self._end(chosen)
                return True
        return False

    def _end(self, connection: Connection) -> None:
        self.left(connection)
        connection.close()

    def _sweep(self) -> None:
        now = time.monotonic()
        for stage, seconds in self._seconds.items():
            for connection in list(self._by_stage[stage]):
                if now - connection.since < seconds:
                    break
                self._end(connection)
        for connection in list(self._by_stage[Stage.AT_WORK]):
            if connection.overdue is not None and connection.overdue(now):
                self._end(connection)
        again = len(self) > 0
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep) if again else None
