"""Makes a virtual machine: what in which order, so that a kill leaves nothing that is not known.

First the domain is defined, not yet started, with a mark that calls it ours and half made. The names of its volumes
follow from its UUID: whatever is found under them was made for it. Then come the volumes, and last the mark says that
it is complete.
"""

import uuid
from contextlib import suppress
from typing import Any

from lxml import etree

from toolkit.model.errors import InputError, ReboxError, RefusedError
from toolkit.provision.virtual.connection import Hypervisor, define, set_metadata
from toolkit.provision.virtual.domain import Acceleration, Files, build_domain
from toolkit.provision.virtual.fragment import lay_over
from toolkit.provision.virtual.image_volumes import ImageVolumes
from toolkit.provision.virtual.libvirt_errors import SchemaError
from toolkit.provision.virtual.mark import NAMESPACE, PREFIX, Mark, volume_prefix
from toolkit.provision.virtual.preparation import Preparation
from toolkit.provision.virtual.removing import Checkpoint, Removal
from toolkit.provision.virtual.volumes import Pool

_MIB = 1 << 20


def new_mark(prepared: Preparation, maker: str, lock: str) -> Mark:
    """The mark of a machine that is about to be made."""
    return Mark(state="being-made", uuid=str(uuid.uuid4()), maker=maker, lock=lock, spec=prepared.spec)


def find_pool(host: Hypervisor, name: str) -> Pool:
    """The pool; raises RefusedError when it is gone."""
    pool = Pool.find(host, name)
    if pool is None or not pool.is_active:
        raise RefusedError(
            f"the storage pool {name} is gone",
            where=host.uri,
            next_move=f"Bring it back (virsh pool-start {name}), then do the same again.",
        )
    return pool


def make_machine(
    host: Hypervisor,
    prepared: Preparation,
    mark: Mark,
    image: ImageVolumes,
    *,
    acceleration: Acceleration,
    removal: Removal,
    checkpoint: Checkpoint,
) -> tuple[Any, Mark]:
    """libvirt's domain, complete and off, and its mark; when it cannot be made, nothing of it is left."""
    pool = find_pool(host, mark.spec.pool)
    seed = prepared.seed()
    domain = _define(host, _domain_text(prepared, mark, pool, image, acceleration), prepared)
    try:
        checkpoint("defined")
        _make_volumes(pool, mark, image, seed, checkpoint)
        complete = mark.model_copy(update={"state": "made"})
        with host.asked(f"the virtual machine {mark.spec.name} cannot be marked"):
            set_metadata(domain, complete.bare(), PREFIX, NAMESPACE)
    except BaseException:
        # what cannot be cleared away now is by the next attempt
        with suppress(ReboxError):
            removal.carry_out(host, domain, mark)
        raise
    return domain, complete


def console_volume(mark: Mark) -> str:
    """The volume in which the host keeps what the machine says on its serial port."""
    return f"{volume_prefix(mark)}console.log"


def _system_volume(mark: Mark) -> str:
    return volume_prefix(mark) + ("system.raw" if mark.spec.system_disk == "copy" else "system.qcow2")


def _data_volume(mark: Mark) -> str:
    return f"{volume_prefix(mark)}data.qcow2"


def _seed_volume(mark: Mark) -> str:
    return f"{volume_prefix(mark)}seed.raw"


def _make_volumes(pool: Pool, mark: Mark, image: ImageVolumes, seed: bytes, checkpoint: Checkpoint) -> None:
    spec = mark.spec
    if spec.system_disk == "overlay":
        pool.make(_system_volume(mark), spec.system_disk_mb * _MIB, "qcow2", over=image.disk)
    else:
        pool.copy(image.disk, _system_volume(mark), spec.system_disk_mb * _MIB)
    checkpoint("system disk")
    pool.make(_data_volume(mark), spec.data_disk_mb * _MIB, "qcow2")
    pool.make(_seed_volume(mark), len(seed))
    pool.write(_seed_volume(mark), seed)
    pool.make(console_volume(mark), 0)
    checkpoint("volumes")


def _define(host: Hypervisor, text: str, prepared: Preparation) -> Any:
    try:
        with host.asked(f"the virtual machine {prepared.spec.name} cannot be defined") as connection:
            return define(connection, text)
    except SchemaError as error:
        if prepared.fragment is None:
            raise
        raise InputError(
            "libvirt does not accept the virtual machine with this laid over it",
            where=prepared.fragment.file,
            why=error.why,
            next_move="Correct it; virt-xml-validate says what a domain may hold.",
        ) from None


def _domain_text(prepared: Preparation, mark: Mark, pool: Pool, image: ImageVolumes, acceleration: Acceleration) -> str:
    files = Files(
        system=pool.path(_system_volume(mark)),
        data=pool.path(_data_volume(mark)),
        seed=pool.path(_seed_volume(mark)),
        console=pool.path(console_volume(mark)),
        kernel=pool.path(image.kernel),
        initrd=pool.path(image.initrd),
    )
    domain = build_domain(prepared.spec, mark, files, acceleration)
    if prepared.fragment is not None:
        domain = lay_over(domain, prepared.fragment)
    return etree.tostring(domain, encoding="unicode", pretty_print=True)
