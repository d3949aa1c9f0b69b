"""A stick at another machine: one connection serves what belongs together, and a machine may be restarted meanwhile.

No stick can be plugged into the machine that runs tests: an image file is added to what the agent there sees. The
connection, the agent and what it does to the image are real.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import paramiko
import pytest
from pydantic import JsonValue

from tests.disks.block_devices import image
from tests.media.ssh_server import Listening, ssh_server
from tests.step_context import JumpingClock, context_of, world_of
from toolkit.appliances.courier import Side
from toolkit.disks.plugged import Stick, of_image, with_file_system
from toolkit.media.courier import StickCourier
from toolkit.media.remote import Talk
from toolkit.media.ssh import fingerprint
from toolkit.media.stations import Folder, There
from toolkit.media.steps import MoveStick, PlugStick, ReadStick, WriteStick
from toolkit.model.carry import SshStation
from toolkit.model.errors import RefusedError, UnknownStateError
from toolkit.model.execution import Result, StepImplementation
from toolkit.model.verdict import Verdict
from toolkit.signing import own_key, trusted_signers


@dataclass
class Bench:
    """The machine at the other end, with one port for sticks; `meanwhile` happens between two looks."""

    server: Listening
    station: There
    stick: Path
    state: Path
    plugged: bool = False
    meanwhile: list[Callable[[], None]] = field(default_factory=list)

    def plug(self, _side: Side = "old") -> None:
        self.plugged = True

    def restart(self) -> None:
        """Whoever is connected is so no longer."""
        self.server.connections[-1].close()

    def courier(self, move: Callable[[Side], None]) -> StickCourier:
        return StickCourier(
            choice="serial=S-1",
            stations={"old": self.station, "new": self.station},
            move=move,
            key=lambda: own_key(self.state),
            trusted=lambda: trusted_signers(self.state),
            clock=Meanwhile(self.meanwhile),
        )

    def connections_for(self, work: Callable[[], object]) -> int:
        before = len(self.server.connections)
        work()
        return len(self.server.connections) - before


class Meanwhile(JumpingClock):
    """While somebody waits, things happen one after the other."""

    def __init__(self, things: list[Callable[[], None]]) -> None:
        super().__init__()
        self.things = things

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.things:
            self.things.pop(0)()


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ssh") / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(path))
    return path


@pytest.fixture
def bench(tmp_path: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    with ssh_server(paramiko.PKey.from_path(key_file)) as server:
        known = fingerprint(server.host_key.asbytes())
        fields = {"driver": "ssh", "address": "127.0.0.1", "port": server.port, "key_file": "key", "host_key": known}
        station = There(SshStation.model_validate(fields), key_file, None)
        bench = Bench(server, station, image(tmp_path / "stick.img", "vfat"), tmp_path / "state")
        really = Talk.ask

        def ask(talk: Talk, do: str, **more: Any) -> Any:
            answer = really(talk, do, **more)
            if do == "sticks" and bench.plugged:
                answer.append(with_file_system(replace(of_image(bench.stick), serial="S-1")).as_json())
            return answer

        monkeypatch.setattr(Talk, "ask", ask)
        yield bench


def nothing() -> None:
    """Happens meanwhile."""


def nobody(_side: Side) -> None:
    """Moves nothing."""


def test_a_stick_is_waited_for_by_one_connection(bench: Bench) -> None:
    bench.meanwhile += [nothing, nothing, bench.plug]
    assert bench.connections_for(lambda: bench.courier(nobody).bring("old")) == 1
    assert bench.plugged


def test_a_machine_that_is_restarted_while_a_stick_is_waited_for_is_connected_to_anew(bench: Bench) -> None:
    bench.meanwhile += [bench.restart, nothing, bench.restart, nothing, bench.plug]
    assert bench.connections_for(lambda: bench.courier(nobody).bring("old")) == 3


def test_a_stick_that_does_not_turn_up_is_waited_for_so_long_and_no_longer(bench: Bench) -> None:
    courier = bench.courier(nobody)
    bench.meanwhile += [nothing, lambda: courier.clock.sleep(58), nothing]
    with pytest.raises(RefusedError, match="not plugged in"):
        courier.bring("old")
    assert 60 <= courier.clock.monotonic() < 61
    assert len(bench.server.connections) == 1


def test_nothing_is_said_of_a_stick_at_a_machine_that_went_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    courier = bench.courier(nobody)
    patched = Talk.ask

    def ask(talk: Talk, do: str, **more: Any) -> Any:
        bench.restart()
        return patched(talk, do, **more)

    monkeypatch.setattr(Talk, "ask", ask)
    with pytest.raises(UnknownStateError, match="connection to the other machine is lost") as told:
        courier.seen("old")
    assert (told.value.where, bool(told.value.next_move)) == ("127.0.0.1", True)


def test_each_part_of_a_step_connects_once_to_each_machine(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "certificate.pem").write_bytes(b"encrypted key")
    world = world_of(tmp_path, courier=bench.courier(bench.plug))
    results: dict[str, Result] = {}

    def counts(name: str, step: StepImplementation, **parameters: JsonValue) -> tuple[int, ...]:
        context = context_of(tmp_path, world, parameters=parameters, results=results)

        def act() -> None:
            results[name] = step.act(context)

        def verify() -> None:
            assert step.verify(context, results[name]).verdict is Verdict.PASSED

        return tuple(map(bench.connections_for, (lambda: step.look(context), act, verify)))

    assert counts("plug-stick", PlugStick(), at="old") == (1, 1, 1)
    assert counts("write-stick", WriteStick()) == (0, 1, 1)
    # lets go at the old box's side, and waits at the new one's
    assert counts("move-stick", MoveStick(), at="new") == (1, 2, 1)
    assert counts("read-stick", ReadStick(), to="carried") == (0, 1, 0)


def test_an_image_that_is_just_going_to_the_other_folder_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = image(tmp_path / "stick.img", "vfat")

    def going(path: Path) -> Stick:
        path.rename(tmp_path / "gone")
        return of_image(path)

    monkeypatch.setattr("toolkit.media.stations.of_image", going)
    with Folder(tmp_path).holding("serial=stick", writing=False) as plugged:
        assert plugged is None
    assert not stick.exists()


def test_an_image_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.img").mkdir()
    with pytest.raises(RefusedError) as refused, Folder(tmp_path).holding("serial=stick", writing=False):
        pass
    assert refused.value.where == str(tmp_path / "folder.img")
    assert refused.value.next_move
