"""The stick of a run, on its way from one box's side to the other's."""

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from toolkit.appliances.courier import Side
from toolkit.media.cargo import Kind, Manifest
from toolkit.media.choice import facts
from toolkit.media.read import Checked, look, read, verify
from toolkit.media.sources import Source, sha256_of
from toolkit.media.stations import Plugged, Station
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

    def seen(self, side: Side) -> Result | None:
        """As the protocol says."""
        with self.stations[side].holding(self.choice, writing=False) as plugged:
            return None if plugged is None else _told(plugged)

    def bring(self, side: Side) -> Result:
        """As the protocol says."""
        if self.move is None:
            raise self._missing(side)
        self.move(side)
        deadline = self.clock.monotonic() + _APPEARS_SECONDS
        while (seen := self.seen(side)) is None:
            if self.clock.monotonic() > deadline:
                raise self._missing(side)
            self.clock.sleep(_LOOK_SECONDS)
        return seen

    def release(self, side: Side) -> Result | None:
        """As the protocol says."""
        with self.stations[side].holding(self.choice, writing=False) as plugged:
            if plugged is None:
                return None
            ejected = plugged.eject()
            return {"done": [*ejected.done], "not_done": [*ejected.not_done]}

    def holds(self, side: Side) -> str | None:
        """As the protocol says; whether the files are whole is for who reads them."""
        with self._held(side) as plugged:
            found = self._looked(plugged)
        return None if found is None else _sha256(found.manifest)

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

    @contextmanager
    def _held(self, side: Side, *, writing: bool = False) -> Iterator[Plugged]:
        with self.stations[side].holding(self.choice, writing=writing) as plugged:
            if plugged is None:
                raise self._missing(side)
            yield plugged

    def _looked(self, plugged: Plugged) -> Checked | None:
        """What is on it, when it is complete and signed by somebody whose signature counts."""
        try:
            return look(plugged.carrier, self.trusted())
        except (UnknownStateError, VerificationError):
            return None

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
