"""Takes a machine that rebox made away: what can refuse is asked first, then its definition goes, then its volumes.

A definition that libvirt does not let go of leaves the machine as it was: it runs on, and no volume is touched. Once it
is gone nothing on the host says any more whose the volumes are: what is being removed is written down here before, and
whoever comes next on this machine ends it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lxml import etree
from pydantic import ValidationError

from toolkit.model.errors import ReboxError, RefusedError, StorageError
from toolkit.provision.virtual.connection import (
    Hypervisor,
    at_work_on,
    destroy,
    domain_xml,
    snapshot_texts,
    undefine,
)
from toolkit.provision.virtual.domain_disks import refresh_pools, same_file
from toolkit.provision.virtual.layer_users import users
from toolkit.provision.virtual.libvirt_errors import LostConnectionError
from toolkit.provision.virtual.mark import Mark, volume_prefix
from toolkit.provision.virtual.volumes import Pool
from toolkit.storage.entries import sync_folder
from toolkit.storage.errors import storage_error
from toolkit.storage.whole_file import write_whole

Checkpoint = Callable[[str], None]
"""Told of every stage when it has been reached."""


class Removal:
    """The removal of one machine; `file` keeps its mark from before anything goes until nothing is left."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def carry_out(
        self, host: Hypervisor, domain: Any, mark: Mark, checkpoint: Checkpoint = lambda _stage: None
    ) -> None:
        """Removes a machine that carries `mark`, with its volumes; cut off, `finish` does the rest.

        Raises RefusedError with all that speaks against it, and ReboxError where libvirt does not forget the machine:
        nothing has changed then.
        """
        _refuse_unless_removable(host, domain, mark)
        write_whole(
            self._file,
            mark.model_dump_json().encode(),
            what="it cannot be written down which machine is being removed",
            then="do the same again; nothing was removed",
        )
        checkpoint("written down")
        try:
            _forget(host, domain, mark)
        except LostConnectionError:
            raise  # whether libvirt has forgotten it shows when it is back
        except ReboxError:
            self._end()
            raise
        checkpoint("undefined")
        self._clear_away(host, domain, mark, checkpoint)

    def finish(self, host: Hypervisor) -> Mark | None:
        """Ends a removal that was cut off, and returns the mark of its machine; None: there is none.

        A machine that is defined has lost nothing yet: it stays, and its removal has not begun.
        """
        mark = self._begun()
        if mark is None:
            return None
        domain = host.find("the virtual machine cannot be looked for", lambda one: one.lookupByUUIDString(mark.uuid))
        if domain is not None and _is_kept(host, domain, mark):
            self._end()
            return None
        self._clear_away(host, domain, mark, lambda _stage: None)
        return mark

    def _clear_away(self, host: Hypervisor, domain: Any | None, mark: Mark, checkpoint: Checkpoint) -> None:
        if domain is not None:
            with host.asked(f"the virtual machine {mark.spec.name} cannot be switched off"):
                destroy(domain)
        checkpoint("off")
        pool = Pool.find(host, mark.spec.pool)
        if pool is None or not pool.is_active:
            raise RefusedError(
                f"the volumes of {mark.spec.name} are not deleted yet",
                where=host.uri,
                why=f"the storage pool {mark.spec.pool} is gone",
                next_move=f"Bring it back (virsh pool-start {mark.spec.pool}), then do the same again. If it is gone "
                f"for good, delete {self._file}.",
            )
        pool.delete_all(volume_prefix(mark))
        checkpoint("volumes removed")
        self._end()

    def _begun(self) -> Mark | None:
        try:
            return Mark.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error(self._file, error, what="it cannot be read which machine is being removed") from None
        except ValidationError:
            raise StorageError(
                "it cannot be read which machine is being removed",
                where=str(self._file),
                why="the file is not what rebox writes",
                next_move="Look for volumes that nobody uses (virsh vol-list), delete that file, then do the same "
                "again.",
            ) from None

    def _end(self) -> None:
        try:
            self._file.unlink(missing_ok=True)
            sync_folder(self._file.parent)
        except OSError as error:
            raise storage_error(self._file, error) from None


def _is_kept(host: Hypervisor, domain: Any, mark: Mark) -> bool:
    """Whether its definition is kept; one that runs without it is forgotten as soon as it is off."""
    with host.asked(f"the virtual machine {mark.spec.name} cannot be looked at"):
        return bool(domain.isPersistent())


def _forget(host: Hypervisor, domain: Any, mark: Mark) -> None:
    if _is_kept(host, domain, mark):
        with host.asked(f"the virtual machine {mark.spec.name} cannot be removed"):
            undefine(domain)


def _refuse_unless_removable(host: Hypervisor, domain: Any, mark: Mark) -> None:
    why = [*_against(host, domain, mark)]
    if why:
        raise RefusedError(
            f"the virtual machine {mark.spec.name} is not removed",
            where=host.uri,
            why="; ".join(why),
            next_move="Nothing was changed. Mend that, then do the same again.",
        )


def _against(host: Hypervisor, domain: Any, mark: Mark) -> Iterator[str]:
    pool = Pool.find(host, mark.spec.pool)
    if pool is None or not pool.is_active:
        yield (
            f"the storage pool {mark.spec.pool}, which holds its disks, is gone (virsh pool-start {mark.spec.pool}; if "
            f"it is gone for good, virsh undefine {mark.spec.name} forgets the machine)"
        )
        return
    refresh_pools(host)
    with host.asked(f"the virtual machine {mark.spec.name} cannot be looked at"):
        described = etree.fromstring(domain_xml(domain).encode())
        targets = [str(target.get("dev")) for target in described.iterfind("devices/disk/target")]
        yield from (f"{work} is under way" for work in at_work_on(domain, targets))
        for text in snapshot_texts(domain):
            yield from _left_by_snapshot(text, pool.path(volume_prefix(mark)))
    ours = {same_file(host, path) for path in pool.paths(volume_prefix(mark))}
    for by in users(host, ours, mark.uuid).values():
        yield f"one of its volumes is in use by {', '.join(by)}"


def _left_by_snapshot(text: str, ours: str) -> Iterator[str]:
    """What a snapshot keeps in files that are none of the machine's volumes (https://libvirt.org/formatsnapshot.html)."""
    snapshot = etree.fromstring(text.encode())
    places = [one.get("file", "") for one in (*snapshot.iterfind("memory"), *snapshot.iterfind("disks/disk/source"))]
    for place in places:
        if place and not place.startswith(ours):
            yield (
                f"its snapshot {snapshot.findtext('name')} keeps something in {place}, which would be left behind "
                "(delete that file, then virsh snapshot-delete --metadata)"
            )
