"""The lab in which `rebox migrate` rehearses: a site of 100 MB, and an old and a new box."""

from pathlib import Path
from typing import Literal

from toolkit.lab.topology import Dns, Site, Swing, Topology, read_topology

_SITE_MB = 100
_TTL_SECONDS = 8
"""Short, so that a rehearsal by DNS does not wait minutes for a cache."""


def migration_topology(file: Path | None, swing: Literal["shared-ip", "dns"]) -> Topology:
    """The topology in `file`, else the usual one; moved by `swing`."""
    if file is not None:
        topology = read_topology(file.read_text(encoding="utf-8"), str(file))
        return topology.model_copy(update={"swing": topology.swing.model_copy(update={"method": swing})})
    return Topology(site=Site(size_mb=_SITE_MB), dns=Dns(ttl_seconds=_TTL_SECONDS), swing=Swing(method=swing))
