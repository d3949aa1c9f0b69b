"""What a box keeps of its customer cannot be read on its medium, and after a factory reset not even with its key.

Every canary is written through the box's own API or its order, and looked for on the medium itself.
"""

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.emulator.appliance.box_process import (
    ADMIN_PASSWORD,
    CLIENT_ID,
    CLIENT_SECRET,
    SITE,
    BoxProcess,
    in_use_order,
    wait_until,
)
from tests.emulator.appliance.paperwork import Chain
from tests.emulator.appliance.raw_disk import RawDisk, raw_disk
from toolkit.emulator.appliance.disk import Disk
from toolkit.model.errors import InputError

CHAIN, IMPORTED = Chain.issue(), Chain.issue("imported.example.net")
LSID = "c0ffee00" * 4
FILM = b"canary-of-a-recording-" * 9000
STAGES = (
    "intended",
    "key half overwritten",
    "key destroyed",
    "certificate removed",
    "half removed",
    "removed",
    "laid",
    "next key",
    "complete",
)


class Used(NamedTuple):
    """A box that was used, and whose power was cut; what must not be read, and its data key."""

    medium: RawDisk
    canaries: tuple[bytes, ...]
    keys: tuple[bytes, ...]


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Used]:
    with raw_disk(tmp_path_factory.mktemp("used")) as medium:
        box = BoxProcess(medium.folder, in_use_order(certificate=CHAIN.pem, key=CHAIN.leaf.key_pem()))
        try:
            canaries = leave_canaries(box.power_on().api())
            found = medium.found(*canaries)
        finally:
            box.remove()
        assert found == [], "in use"
        yield Used(medium, canaries, secrets_of(box))


@pytest.fixture
def medium(tmp_path: Path, used: Used) -> Iterator[RawDisk]:
    with raw_disk(tmp_path, used.medium) as disk:
        yield disk


@pytest.fixture
def box(medium: RawDisk) -> Iterator[BoxProcess]:
    box = BoxProcess(medium.folder, None)
    yield box
    box.remove()


def leave_canaries(api: httpx.Client) -> tuple[bytes, ...]:
    """Uses the box; what must not be read anywhere."""
    user = {"username": "canary.user", "display_name": "Canary User", "password": "a first password"}
    assert api.post("/api/v1/users", json=user).status_code == 201
    first = api.get("/api/v1/sessions?limit=1").json()["sessions"][0]
    record = {
        **{key: value for key, value in first.items() if key != "seq"},
        "lsid": LSID,
        "customer": "Canary Customer",
    }
    assert api.post("/api/v1/sessions", json={"sessions": [record]}).json()["imported"] == 1
    digest = {"Content-SHA256": hashlib.sha256(FILM).hexdigest()}
    assert api.put(f"/api/v1/recordings/{LSID}", content=FILM, headers=digest).status_code == 201
    film = api.get(f"/api/v1/recordings/{LSID}")
    assert film.content == FILM
    assert api.get(f"/api/v1/recordings/{LSID}", headers={"Range": "bytes=70000-"}).content == FILM[70000:]
    network = {"hostname": "canary-host.example.net", "dns_servers": ["192.0.2.153"]}
    assert api.put("/api/v1/network", json=network).status_code == 200
    certificate = IMPORTED.pem + IMPORTED.leaf.key_pem()
    assert api.post("/api/v1/certificates/import", files={"file": certificate}).status_code == 201
    # larger than what is kept in the memory of the process while it arrives
    backup = api.post("/api/v1/backup", json={"passphrase": None}).content
    assert api.post("/api/v1/restore", files={"file": backup + b"canary-of-an-upload-" * 100_000}).status_code == 422
    kept = next(one["lsid"] for one in api.get("/api/v1/sessions").json()["sessions"] if one["recording"])
    token = api.headers["Authorization"].removeprefix("Bearer ")
    return (
        *(b"canary.user", b"Canary User", b"Canary Customer", b"canary-of-a-recording-", b"canary-host.example.net"),
        *(b"192.0.2.153", b"canary-of-an-upload-", SITE.encode(), b"jump-00001", LSID.encode(), kept.encode()),
        *(token.encode(), hashlib.sha256(token.encode()).hexdigest().encode(), CLIENT_SECRET.encode()),
        *(ADMIN_PASSWORD.encode(), CHAIN.leaf.key_pem().splitlines()[1], IMPORTED.leaf.key_pem().splitlines()[2]),
        *(_number(CHAIN), _number(IMPORTED), b"PRIVATE KEY"),
        api.get(f"/api/v1/recordings/{kept}").content[1000:1032],
    )


def _number(chain: Chain) -> bytes:
    """A private key as it stands in DER."""
    return chain.leaf.key.private_numbers().private_value.to_bytes(32, "big")


def secrets_of(box: BoxProcess) -> tuple[bytes, ...]:
    """The key in use, as it lies on the disk and as it is used."""
    key = Disk(box.disk).keys.current
    return key.secret, key.derived("database"), key.derived("files")


def is_factory_box(box: BoxProcess) -> bool:
    client = box.anonymous()
    answer = client.post("/oauth2/token", data={"grant_type": "client_credentials"}, auth=(CLIENT_ID, CLIENT_SECRET))
    assert answer.json()["error"] == "invalid_client"
    status = box.take_into_use().get("/api/v1/status").json()
    return set(status["records"].values()) == {0} and status["site_hostname"] is None


def test_nothing_of_the_customer_can_be_read_on_the_medium(box: BoxProcess, medium: RawDisk, used: Used) -> None:
    assert medium.found(*used.canaries) == [], "after a power cut"
    assert medium.found(used.keys[0]) == [used.keys[0]], "the data key lies in one place"
    assert medium.found(*used.keys[1:]) == []
    api = box.power_on().api()
    assert api.get(f"/api/v1/recordings/{LSID}").content == FILM, "and all of it is there"
    assert api.get("/api/v1/network").json()["hostname"] == "canary-host.example.net"
    assert medium.found(*used.canaries) == []
    (medium.folder / "plain").write_bytes(b" ".join(used.canaries))
    assert set(medium.found(*used.canaries)) == set(used.canaries), "each of them would have been found"


def test_after_a_reset_the_key_is_nowhere_on_the_medium(box: BoxProcess, medium: RawDisk, used: Used) -> None:
    box.power_on().api().post("/api/v1/reset", json={"serial_number": "OLD-0001"})
    client = box.anonymous()
    wait_until(lambda: client.get("/api/v1/reset").json()["state"] == "complete", "the reset to be complete")
    assert medium.found(*used.keys, *used.canaries) == []
    assert "The data key is destroyed" in client.get("/appliance/reset").text
    box.kill()
    assert medium.found(*used.keys, *used.canaries) == []
    assert secrets_of(box)[0] != used.keys[0]
    assert is_factory_box(box.power_on())


@pytest.mark.parametrize("stage", STAGES)
def test_a_reset_that_is_killed_goes_on_and_nothing_comes_back(
    box: BoxProcess, medium: RawDisk, used: Used, stage: str
) -> None:
    killed = subprocess.run(
        [sys.executable, "-m", "tests.emulator.appliance.reset_cut_off", box.disk, stage], check=False, timeout=120
    )
    assert killed.returncode == -signal.SIGKILL
    if stage not in STAGES[:2]:
        assert medium.found(*used.keys) == [], "nobody reads any more what was kept"
    assert medium.found(*used.canaries) == []

    client = box.power_on().anonymous()
    wait_until(lambda: client.get("/api/v1/reset").json()["state"] == "complete", "the reset to be complete")
    assert medium.found(*used.keys, *used.canaries) == []
    assert is_factory_box(box)


def test_a_box_that_was_made_before_is_refused_with_the_way_out(tmp_path: Path) -> None:
    box = BoxProcess(tmp_path, in_use_order())
    Disk(box.disk).keys._path.unlink()
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "toolkit.emulator.appliance", "run", "--disk", box.disk),
            *("--console", tmp_path / "console", "--bind", "127.0.0.1:0"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == InputError.exit_status
    assert "did not encrypt what it keeps" in ended.stderr
    assert "Make the box anew" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_what_outlives_a_reset_tells_of_the_box_alone(box: BoxProcess) -> None:
    plain = json.loads((box.disk / "factory.json").read_bytes())
    assert SITE not in json.dumps(plain)
    readable = sorted(path.name for path in box.disk.iterdir() if path.is_file() and path.suffix == ".json")
    assert readable == ["factory.json"]
