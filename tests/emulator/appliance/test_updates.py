"""A box checks, signs and installs; whatever is wrong with the server, the clock or the disk leaves it as it was."""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.emulator.appliance.update_box import UpdateBox
from tests.emulator.update_server.authority import Authority
from toolkit.emulator.appliance.facts import Update
from toolkit.emulator.appliance.refusal import Refusal
from toolkit.emulator.appliance.updates import InstallPace, Updates
from toolkit.emulator.update_server.packages import CATALOGUE, Package
from toolkit.emulator.update_server.repository import Offer, Repository, make_repository
from toolkit.emulator.update_server.server import serving
from toolkit.emulator.update_server.spoil import WAYS, expire

NEWEST, OLDER, BASE = "Bomgar-12.2.0", "Bomgar-12.1.6", "Base-3.3.3"
OFFER = Offer("support.example.com", licences=10)


class World:
    """An update server that serves, and a new box that was made to trust it."""

    def __init__(self, repository: Repository, authority: Authority, box: UpdateBox) -> None:
        self.repository = repository
        self.authority = authority
        self.box = box
        self.updates = box.updates

    def ids(self) -> dict[str, Update]:
        return {update.id: update for update in self.updates.check("test")}

    def sign(self, update_id: str) -> None:
        text = self.updates.eula(update_id)
        self.updates.accept(update_id, hashlib.sha256(text.encode()).hexdigest(), "A. Tester", "test")

    def install(self, update_id: str) -> str | None:
        """Installs and returns the error's code, or None."""
        self.updates.install(update_id, "test")
        job = self.box.jobs.wait()
        return job.error.error if job.error else None


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """One repository, copied for every test: signing is the slow part."""
    folder = tmp_path_factory.mktemp("pristine") / "updates"
    return make_repository(folder, "https://updates.example.net", offer=OFFER, package_bytes=240_000)


@pytest.fixture
def repository(pristine: Repository, tmp_path: Path) -> Repository:
    return Repository(Path(shutil.copytree(pristine.folder, tmp_path / "updates")))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def world(repository: Repository, authority: Authority, tmp_path: Path) -> Iterator[World]:
    with serving(repository, *authority.issue("updates.example.net")) as port:
        box = UpdateBox(tmp_path / "box", f"https://updates.example.net:{port}")
        box.trust(repository.root_file, authority.ca_file)
        yield World(repository, authority, box)


def refusal_of(check: Updates) -> Refusal:
    with pytest.raises(Refusal) as caught:
        check.check("test")
    return caught.value


# the way it should go


def test_a_new_box_lists_everything_and_greys_out_what_needs_a_newer_base(world: World) -> None:
    found = world.ids()
    assert list(found) == [BASE, OLDER, NEWEST]
    assert found[BASE].installable
    assert not found[BASE].eula_required
    assert found[OLDER].installable
    assert not found[NEWEST].installable
    assert found[NEWEST].reason == (
        "Base 3.3.2 does not satisfy Bomgar-12.2.0's requirements: install Base 3.3.3 first."
    )
    assert (found[NEWEST].hostname, found[NEWEST].licences, found[NEWEST].licence_expiry) == (
        "support.example.com",
        10,
        "2030-12-31",
    )


def test_installing_base_makes_the_newest_site_package_installable_on_a_fresh_box(world: World) -> None:
    world.ids()
    assert world.install(BASE) is None
    assert world.box.versions.base == "3.3.3"
    assert [(update.id, update.installable) for update in world.updates.list()] == [(OLDER, True), (NEWEST, True)]


def test_a_box_with_an_older_site_package_must_go_through_the_one_between(world: World) -> None:
    world.box.versions.set_base("3.3.3")
    world.box.versions.set_site("Bomgar-11.1.0", hostname="support.example.com", licences=5, licence_expiry="")
    found = world.ids()
    assert found[NEWEST].reason == (
        "Bomgar-11.1.0 does not satisfy Bomgar-12.2.0's requirements: install Bomgar-12.1.6 first."
    )
    world.sign(OLDER)
    assert world.install(OLDER) is None
    assert [update.id for update in world.updates.list() if update.installable] == [NEWEST]


def test_a_site_package_is_signed_for_installed_and_announced(world: World) -> None:
    world.ids()
    world.sign(OLDER)
    assert [update.eula_accepted for update in world.updates.list() if update.id == OLDER] == [True]
    assert world.install(OLDER) is None
    assert (world.box.versions.site, world.box.versions.site_hostname) == (OLDER, "support.example.com")
    files, member = world.box.disk.files, "clients/jump-client.bin"
    assert len(files.read(world.box.disk.package(OLDER) / files.opaque(member), member)) == 40_000
    assert not list((world.box.disk.updates / "incoming").iterdir())
    assert world.box.story == [
        "test check-for-updates",
        "test sign-eula",
        "test install-update",
        "installing, site None",
        "services restarted",
        f"running, site {OLDER}",
    ]


def test_progress_only_rises_and_tells_every_byte(world: World) -> None:
    size = world.ids()[BASE].size_bytes
    world.install(BASE)
    reports = world.box.jobs.progress.reports
    fractions = [fraction for _, fraction, _, _ in reports]
    assert fractions == sorted(fractions)
    assert all(0 <= fraction <= 1 for fraction in fractions)
    assert list(dict.fromkeys(phase for phase, *_ in reports)) == [
        "checking",
        "downloading",
        "unpacking",
        "installing",
        "restarting services",
    ]
    assert max(done for phase, _, done, _ in reports if phase == "downloading") == size


def test_the_next_package_replaces_the_unpacked_files_of_the_last(world: World) -> None:
    world.ids()
    for update in (OLDER, NEWEST):
        world.sign(update)
    for update in (BASE, OLDER, NEWEST):
        assert world.install(update) is None
    unpacked = set((world.box.disk.updates / "packages").iterdir())
    assert unpacked == {world.box.disk.package(BASE), world.box.disk.package(NEWEST)}
    assert world.updates.list() == []


def test_the_more_a_box_stores_the_longer_it_installs_but_not_for_ever() -> None:
    pace = InstallPace(seconds_fixed=1, bytes_per_second=1000, seconds_max=5)
    assert [pace.seconds(stored) for stored in (0, 2000, 10**9)] == [1, 3, 5]


def test_the_installs_own_time_is_waited_for(world: World) -> None:
    waited: list[float] = []
    pace = InstallPace(seconds_fixed=0, bytes_per_second=1000, seconds_max=50)
    world.updates = Updates(world.box, stored_bytes=lambda: 20_000, pace=pace, sleep=waited.append)
    world.ids()
    assert world.install(BASE) is None
    assert sum(waited) == pytest.approx(20)


def test_the_list_survives_a_restart_of_the_box(world: World) -> None:
    found = list(world.ids().values())
    again = UpdateBox(world.box.disk.folder, world.box.update_server)
    assert again.updates.list() == found


def test_checks_from_many_sides_at_once_all_succeed(world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: [update.id for update in world.updates.check("test")], range(16)))
    assert found == [[BASE, OLDER, NEWEST]] * 16


# what must be refused before anything begins


def test_what_was_not_checked_for_does_not_exist(world: World) -> None:
    assert world.updates.list() == []
    for call in (lambda: world.updates.eula(OLDER), lambda: world.updates.install(OLDER, "test")):
        with pytest.raises(Refusal) as caught:
            call()
        assert (caught.value.status, caught.value.code) == (404, "not_found")


def test_a_missing_prerequisite_an_unsigned_eula_and_an_old_version_are_refused(world: World) -> None:
    world.ids()
    for update, code in ((NEWEST, "prerequisite"), (OLDER, "eula_required")):
        with pytest.raises(Refusal) as caught:
            world.updates.install(update, "test")
        assert (caught.value.status, caught.value.code) == (409, code)
    world.box.versions.set_base("3.4.0")
    with pytest.raises(Refusal) as caught:
        world.updates.install(BASE, "test")
    assert caught.value.code == "installed"


def test_a_eula_is_signed_by_its_exact_text_and_by_somebody(world: World) -> None:
    world.ids()
    sha256 = hashlib.sha256(world.updates.eula(OLDER).encode()).hexdigest()
    for wrong, signer, code in ((sha256[::-1], "A. Tester", "eula_changed"), (sha256, " ", "invalid_request")):
        with pytest.raises(Refusal) as caught:
            world.updates.accept(OLDER, wrong, signer, "test")
        assert caught.value.code == code
    with pytest.raises(Refusal) as caught:
        world.updates.eula(BASE)
    assert caught.value.code == "not_found"
    assert not world.ids()[OLDER].eula_accepted


def test_a_eula_that_changed_after_signing_must_be_signed_again(world: World) -> None:
    world.ids()
    world.sign(OLDER)
    changed = [
        package
        if package.id != OLDER
        else Package("site", OLDER, package.title, package.requires, eula="Other terms.\n")
        for package in CATALOGUE
    ]
    repository = world.repository
    make_repository(repository.folder, repository.url, offer=OFFER, packages=changed, package_bytes=240_000)

    assert world.install(OLDER) == "eula_required"
    assert world.box.versions.site is None
    assert not world.ids()[OLDER].eula_accepted
    world.sign(OLDER)
    assert world.install(OLDER) is None


# a server that is not to be believed

WORDS = {
    "expired": "expired",
    "rolled-back": "rollback",
    "forged": "signature",
    "tampered-metadata": "signature",
    "truncated-metadata": "truncated",
    "tampered-packages": "altered",
    "truncated-packages": "truncated",
}


@pytest.mark.parametrize("way", [way for way in WAYS if "packages" not in way])
def test_a_box_that_knows_the_server_refuses_wrong_metadata_and_keeps_its_list(world: World, way: str) -> None:
    world.repository.renew()
    listed = list(world.ids().values())
    before = world.box.snapshot()
    if way == "tampered-metadata":  # the box would not even fetch the targets that it has
        make_repository(world.repository.folder, world.repository.url, offer=OFFER, package_bytes=240_000)
    WAYS[way](world.repository)

    refusal = refusal_of(world.updates)
    assert (refusal.status, refusal.code) == (502, "update_server")
    assert WORDS[way] in refusal.message
    assert world.box.snapshot() == before
    assert world.updates.list() == listed


@pytest.mark.parametrize("way", ["expired", "forged", "tampered-metadata", "truncated-metadata"])
def test_a_new_box_refuses_wrong_metadata(world: World, way: str) -> None:
    WAYS[way](world.repository)
    refusal = refusal_of(world.updates)
    assert refusal.code == "update_server"
    assert WORDS[way] in refusal.message
    assert world.updates.list() == []


@pytest.mark.parametrize("way", ["tampered-packages", "truncated-packages"])
def test_a_wrong_package_is_not_installed_and_a_mended_one_is(world: World, way: str) -> None:
    world.ids()
    before = world.box.snapshot()
    good = {path: path.read_bytes() for path in world.repository.targets.rglob("*.tar")}
    WAYS[way](world.repository)

    world.updates.install(BASE, "test")
    job = world.box.jobs.wait()
    assert job.error is not None
    assert job.error.error == "update_server"
    assert WORDS[way] in job.error.message
    assert world.box.versions.base == "3.3.2"
    assert world.box.snapshot() == before
    assert not any("installing" in event for event in world.box.story)

    for path, content in good.items():
        path.write_bytes(content)
    assert world.install(BASE) is None
    assert world.box.versions.base == "3.3.3"


def test_a_server_with_a_strangers_certificate_is_not_believed(world: World, tmp_path: Path) -> None:
    (tmp_path / "stranger").mkdir()
    shutil.copy(Authority(tmp_path / "stranger").ca_file, world.box.disk.trust / "ca.pem")
    refusal = refusal_of(world.updates)
    assert refusal.code == "update_server"
    assert "not trusted" in refusal.message


def test_a_certificate_for_another_name_is_not_believed(world: World) -> None:
    world.box.update_server = world.box.update_server.replace("updates", "other") if world.box.update_server else None
    world.box.addresses["other.example.net"] = ("127.0.0.1",)
    assert "not trusted" in refusal_of(world.updates).message


def test_an_unreachable_server_and_an_unknown_name_are_named(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    world.box.update_server = f"https://updates.example.net:{port}"
    refusal = refusal_of(world.updates)
    assert refusal.code == "update_server"
    assert f"unreachable at https://updates.example.net:{port}" in refusal.message
    world.box.update_server = "https://nowhere.example.net"
    assert "cannot be resolved" in refusal_of(world.updates).message


def test_the_next_address_of_the_name_is_tried(world: World) -> None:
    world.box.addresses["updates.example.net"] = ("127.0.0.9", "127.0.0.1")
    assert world.ids()


def test_a_box_made_without_an_update_server_says_so(tmp_path: Path) -> None:
    refusal = refusal_of(UpdateBox(tmp_path / "box", None).updates)
    assert (refusal.status, refusal.code) == (502, "update_server")


# the box's own clock


@pytest.mark.parametrize("years", [-6, +6], ids=["behind", "ahead"])
def test_a_wrong_clock_is_found_by_the_tls_certificate(world: World, years: int) -> None:
    world.box.clock.off_by = timedelta(days=365 * years)
    refusal = refusal_of(world.updates)
    assert (refusal.status, refusal.code) == (409, "clock")
    assert "clock" in refusal.message
    assert f"{datetime.now(UTC) + world.box.clock.off_by:%Y-%m-%d}" in refusal.message
    world.box.clock.off_by = timedelta()
    assert world.ids()


@pytest.fixture
def patient_world(repository: Repository, authority: Authority, tmp_path: Path) -> Iterator[World]:
    """A server whose TLS certificate is valid for twenty years, so that only the signed metadata can tell the time."""
    now = datetime.now(UTC)
    certificate = authority.issue(
        "updates.example.net", not_before=now - timedelta(days=3650), not_after=now + timedelta(days=3650)
    )
    with serving(repository, *certificate) as port:
        box = UpdateBox(tmp_path / "box", f"https://updates.example.net:{port}")
        box.trust(repository.root_file, authority.ca_file)
        yield World(repository, authority, box)


@pytest.mark.parametrize("days", [-3, +60], ids=["behind", "ahead"])
def test_a_wrong_clock_is_found_by_the_signed_metadata(patient_world: World, days: int) -> None:
    patient_world.box.clock.off_by = timedelta(days=days)
    refusal = refusal_of(patient_world.updates)
    assert refusal.code == "clock"
    assert patient_world.updates.list() == []
    patient_world.box.clock.off_by = timedelta()
    assert patient_world.ids()


def test_expired_metadata_is_not_blamed_on_a_clock_that_is_only_a_little_off(patient_world: World) -> None:
    expire(patient_world.repository)
    patient_world.box.clock.off_by = timedelta(hours=2)
    assert refusal_of(patient_world.updates).code == "update_server"


def test_an_install_too_fails_by_the_wrong_clock(world: World) -> None:
    world.ids()
    world.box.clock.off_by = timedelta(days=3000)
    assert world.install(BASE) == "clock"
    assert world.box.versions.base == "3.3.2"


def test_a_really_expired_tls_certificate_is_the_servers_fault(
    repository: Repository, authority: Authority, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    certificate = authority.issue(
        "updates.example.net", not_before=now - timedelta(days=9), not_after=now - timedelta(days=2)
    )
    with serving(repository, *certificate) as port:
        box = UpdateBox(tmp_path / "box", f"https://updates.example.net:{port}")
        box.trust(repository.root_file, authority.ca_file)
        refusal = refusal_of(box.updates)
    assert refusal.code == "update_server"
    assert "TLS certificate" in refusal.message


# an install that is cut off


def test_an_install_that_breaks_off_leaves_the_box_as_it_was(world: World) -> None:
    world.ids()
    before = world.box.snapshot()
    world.box.faults.planted.add("install-fails")
    assert world.install(BASE) == "install_failed"
    assert world.box.versions.base == "3.3.2"
    assert world.box.snapshot() == before
    assert world.box.story[-2:] == ["installing, site None", "running, site None"]


def kill_in(world: World, phase: str) -> None:
    """Another process installs Base on this box's disk and is killed when it gets to the phase."""
    url = world.box.update_server or ""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.emulator.appliance.update_box", str(world.box.disk.folder), url, BASE, phase],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{phase}\n"
        os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("phase", ["checking", "downloading", "unpacking", "installing"])
def test_a_killed_install_leaves_the_box_as_it_was_and_can_be_repeated(world: World, phase: str) -> None:
    world.ids()
    before = world.box.snapshot()
    kill_in(world, phase)

    world.updates.recover()
    assert world.box.versions.base == "3.3.2"
    assert world.box.snapshot() == before
    assert world.install(BASE) is None
    assert world.box.versions.base == "3.3.3"


def test_a_box_killed_after_the_change_of_version_keeps_the_new_one(world: World) -> None:
    world.ids()
    kill_in(world, "restarting services")

    world.updates.recover()
    assert world.box.versions.base == "3.3.3"
    assert (world.box.disk.package(BASE) / world.box.disk.files.opaque("system/root.img")).exists()
    assert [update.id for update in world.updates.list()] == [OLDER, NEWEST]


def test_a_full_disk_is_named_and_nothing_is_changed(world: World) -> None:
    """The box's disk is a file system of 200 kB, the package is larger; both live in a namespace of their own."""
    folder, url = world.box.disk.folder, world.box.update_server or ""
    script = (
        f"mount -t tmpfs -o size=200k none {folder} && cp -r {folder}-kept/. {folder}/ && "
        f"exec {sys.executable} -m tests.emulator.appliance.full_disk {folder} {url} {BASE}"
    )
    world.ids()
    shutil.copytree(folder, f"{folder}-kept", symlinks=True)
    ended = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.stdout.splitlines() == ["disk_full", "3.3.2", "nothing left behind"], ended.stderr
