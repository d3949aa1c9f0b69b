"""The stick of a run, on its way from one box's side to the other's."""

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from toolkit.appliances.courier import Side
from toolkit.media.cargo import Kind, Manifest
from toolkit.media.choice import facts
from toolkit.media.read import Checked, look, read, verify
from toolkit.media.sources import Source, sha256_of
from toolkit.media.stations import ONE_LOOK, Plugged, Station
from toolkit.media.write import Purpose, write
from toolkit.model.errors import RefusedError, UnknownStateError, VerificationError
from toolkit.model.execution import Clock, Progress, Result
from toolkit.signing import SigningKey, canonical

_APPEARS_SECONDS, _LOOK_SECONDS = 60.0, 0.5


@dataclass(frozen=True)
class StickCourier:
    """One stick, chosen by the inventory; a `Courier`. `move` has it moved, None: a person does."""

    choice: str
    stations: Mapping[Side, Station]
    move: Callable[[Side], None] | None
    key: Callable[[], SigningKey]
    trusted: Callable[[], Collection[str]]
    clock: Clock

    def seen(self, side: Side, *, opened: bool = False) -> Result | None:
        """As the protocol says; whether the files are whole is for who reads them."""
        with self.stations[side].holding(self.choice, writing=False) as plugged:
            if plugged is None:
                return None
            return {**_told(plugged), "manifest_sha256": self._manifest_sha256(plugged)} if opened else _told(plugged)

    def bring(self, side: Side) -> Result:
        """As the protocol says."""
        if self.move is None:
            raise self._missing(side)
        self.move(side)
        with self._held(side, looks=self._looks()) as plugged:
            return _told(plugged)

    def release(self, side: Side) -> Result | None:
        """As the protocol says."""
        with self.stations[side].holding(self.choice, writing=False) as plugged:
            if plugged is None:
                return None
            ejected = plugged.eject()
            return {"done": [*ejected.done], "not_done": [*ejected.not_done]}

    def write(self, side: Side, run_id: str, files: Mapping[str, Path], progress: Progress) -> Result:
        """As the protocol says."""
        given = tuple(Source(path, name, path.stat().st_size) for name, path in files.items())
        source = f"run {run_id}"
        with self._held(side, writing=True) as plugged:
            there = self._looked(plugged)
            ours = there is not None and there.manifest.source == source
            own = {name: sha256_of(path) for name, path in files.items()} if ours else {}
            if there is not None and ours and _hashes(there.manifest) == own:
                return _result(verify(plugged.carrier, self.trusted(), progress).manifest)
            purpose = Purpose(Kind.BACKUP, source, f"rebox {version('rebox')}", self.clock.now())
            return _result(write(plugged.carrier, given, purpose, self.key(), progress, replace=ours))

    def read(self, side: Side, target: Path, progress: Progress) -> Result:
        """As the protocol says."""
        # it is the run's own: what lies there was read before, by an attempt that did not end
        shutil.rmtree(target, ignore_errors=True)
        with self._held(side) as plugged:
            return _result(read(plugged.carrier, target, self.trusted(), progress).manifest)

    def _looks(self) -> Iterator[None]:
        """As many as it takes a stick to turn up that somebody has plugged in."""
        deadline = self.clock.monotonic() + _APPEARS_SECONDS
        yield
        while self.clock.monotonic() <= deadline:
            self.clock.sleep(_LOOK_SECONDS)
            yield

    @contextmanager
    def _held(self, side: Side, *, writing: bool = False, looks: Iterable[None] = ONE_LOOK) -> Iterator[Plugged]:
        with self.stations[side].holding(self.choice, writing=writing, looks=looks) as plugged:
            if plugged is None:
                raise self._missing(side)
            yield plugged

    def _looked(self, plugged: Plugged) -> Checked | None:
        """What is on it, when it is complete and signed by somebody whose signature counts."""
        try:
            return look(plugged.carrier, self.trusted())
        except (UnknownStateError, VerificationError):
            return None

    def _manifest_sha256(self, plugged: Plugged) -> str | None:
        found = self._looked(plugged)
        return None if found is None else _sha256(found.manifest)

    def _missing(self, side: Side) -> RefusedError:
        return RefusedError(
            f"the stick {self.choice} is not plugged in on the {side} box's side",
            next_move="Plug it in there, then resume.",
        )


def _told(plugged: Plugged) -> Result:
    chosen_by = {name: value for name, value in facts(plugged.stick).items() if value}
    return {"where": plugged.carrier.name, "size_bytes": plugged.stick.size_bytes, **chosen_by}


def _result(manifest: Manifest) -> Result:
    return {
        "manifest_sha256": _sha256(manifest),
        "files": dict(_hashes(manifest)),
        "size_bytes": manifest.size_bytes,
        "volume_uuid": manifest.volume.uuid,
    }


def _hashes(manifest: Manifest) -> dict[str, str]:
    return {file.name: file.sha256 for file in manifest.files}


def _sha256(manifest: Manifest) -> str:
    return hashlib.sha256(canonical(manifest.model_dump(mode="json"))).hexdigest()
