"""The site's certificate is replaced on the old box meanwhile: users must see the new one, and its key must be kept."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.certificates.authority import Authority, Identity, Order
from tests.drift.conftest import ADDRESSES, Run
from toolkit.box_settings.captured import capture, write_captured
from toolkit.certificates.steps import ExportCertificate, ImportCertificate, served_certificate
from toolkit.model.errors import RefusedError
from toolkit.model.verdict import Verdict

SITE_ADDRESSES = ["10.77.0.20", "fd77::20"]


def issued(authority: Authority) -> Identity:
    now = datetime.now(UTC)
    name = "support.example.net"
    return authority.issue(Order(name, (name,), start=now - timedelta(days=1), end=now + timedelta(days=90)))


def served_by_old(run: Run, authority: Authority) -> str:
    """The old box serves a new certificate at the site's addresses, and has no other for it any more."""
    old, identity = run.drivers["old"], issued(authority)
    content = identity.pem + authority.intermediate.pem + identity.key_pem
    before = [one.id for one in old.certificates() if set(SITE_ADDRESSES) & set(one.addresses)]
    entry = old.import_certificate(content, None)
    old.assign_certificate(entry.id, SITE_ADDRESSES)
    for number in before:
        if all(one.addresses == () for one in old.certificates() if one.id == number):
            old.delete_certificate(number)
    return entry.sha256


def serving(run: Run, role: str) -> set[str]:
    own = {*SITE_ADDRESSES, *([ADDRESSES["new"]] if role == "new" else [])}
    return {one.sha256 for one in run.drivers[role].certificates() if own & set(one.addresses)}


@pytest.fixture
def authority() -> Authority:
    return Authority.new()


@pytest.fixture
def moved(run: Run, authority: Authority) -> Run:
    """A certificate of an authority was exported, imported on the new box, and is served by both."""
    first = served_by_old(run, authority)
    run.results["inspect-old"] = {"served_before_sha256": first}
    write_captured(run.folder / "box-settings.json", capture(run.drivers["old"], datetime.now(UTC)))
    run.results["export-certificate"] = ExportCertificate().act(run.context())
    ImportCertificate().act(run.context())
    return run


def test_before_the_swing_it_is_exported_beside_the_first_imported_and_served(moved: Run, authority: Authority) -> None:
    moved.carry()
    assert not (moved.folder / "certificate-2.pem").exists()
    first = (moved.folder / "certificate.pem").read_bytes()
    replaced = served_by_old(moved, authority)

    moved.carry()
    assert serving(moved, "new") == {replaced}
    assert served_certificate(moved.results) == replaced
    assert (moved.folder / "certificate.pem").read_bytes() == first
    assert b"ENCRYPTED PRIVATE KEY" in (moved.folder / "certificate-2.pem").read_bytes()
    assert moved.gate("old-unchanged").verdict is Verdict.PASSED
    moved.carry("carry-late-changes")

    # no private key stays on a box that does not serve
    assert ImportCertificate().undo(moved.context(), None).verdict is Verdict.PASSED
    assert sha256_of_all(moved) & {replaced} == set()


def sha256_of_all(run: Run) -> set[str]:
    return {one.sha256 for one in run.drivers["new"].certificates() if one.has_key}


def test_after_the_swing_it_is_told_with_its_fingerprint_and_goes_on_once_the_new_box_serves_it(
    moved: Run, authority: Authority
) -> None:
    moved.carry()
    replaced = served_by_old(moved, authority)
    with pytest.raises(RefusedError) as refused:
        moved.carry("carry-late-changes")
    assert replaced in refused.value.next_move
    assert moved.gate("changes-settled").verdict is Verdict.FAILED

    old, new = moved.drivers["old"], moved.drivers["new"]
    (number,) = [one.id for one in old.certificates() if one.sha256 == replaced]
    entry = new.import_certificate(old.export_certificate(number, "by hand and by hand"), "by hand and by hand")
    new.assign_certificate(entry.id, SITE_ADDRESSES)
    with pytest.raises(RefusedError, match="certificate"):
        moved.carry("carry-late-changes")
    new.assign_certificate(entry.id, [*SITE_ADDRESSES, ADDRESSES["new"]])
    moved.drivers["new"].trust(replaced)
    moved.carry("carry-late-changes")
    assert served_certificate(moved.results) == replaced
