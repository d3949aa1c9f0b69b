"""Labs with a migration to be rehearsed in them, one per module; a box of 1 MB, a soak of a moment."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.migration.rehearsal import Rehearsal
from toolkit.lab.topology import Dns, Site, Swing, Topology

SOAK_SECONDS = 0.3


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """By shared address."""
    topology = Topology(site=Site(size_mb=1), swing=Swing(soak_seconds=SOAK_SECONDS))
    with Rehearsal.up(topology, tmp_path_factory.mktemp("rehearsal")) as rehearsal:
        yield rehearsal


@pytest.fixture(scope="module")
def dns_rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """By DNS; a time to live that is lowered and put back without waiting long."""
    topology = Topology(
        site=Site(size_mb=1),
        dns=Dns(ttl_seconds=3),
        swing=Swing(method="dns", soak_seconds=SOAK_SECONDS, ttl_seconds=1),
    )
    with Rehearsal.up(topology, tmp_path_factory.mktemp("rehearsal")) as rehearsal:
        yield rehearsal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the test's own."""
    return tmp_path
