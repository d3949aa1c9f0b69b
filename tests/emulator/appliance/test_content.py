"""Session records and recordings: read, put back, and made from a seed (requirement A5)."""

import hashlib
import json
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.emulator.appliance.box_process import BoxProcess, in_use_order
from tests.emulator.appliance.quiet_box import quiet_box
from toolkit.emulator.appliance.content import read_recording
from toolkit.emulator.appliance.database import connect
from toolkit.emulator.appliance.disk import Disk
from toolkit.emulator.appliance.factory import manufacture
from toolkit.emulator.appliance.facts import SessionRecord
from toolkit.emulator.appliance.refusal import Refusal

A_SESSION = {
    "lsid": "0123456789abcdef0123456789abcdef",
    "start_time": "2026-03-04T05:06:07+00:00",
    "end_time": "2026-03-04T05:16:07+00:00",
    "duration_seconds": 600,
    "representative": "Ana Lima",
    "customer": "João Dubois",
    "team": "Service Desk",
    "events": [{"time": "2026-03-04T05:06:07+00:00", "type": "Session Start", "by": "João Dubois"}],
}


def _all_sessions(api: httpx.Client, limit: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    after: int | None = 0
    while after is not None:
        page = api.get("/api/v1/sessions", params={"after": after, "limit": limit}).json()
        assert len(page["sessions"]) <= limit
        found += page["sessions"]
        after = page["next_after"]
    return found


def test_pages_add_up_to_all_sessions_in_order(api: httpx.Client) -> None:
    sessions = _all_sessions(api, 7)
    assert [session["seq"] for session in sessions] == list(range(1, 25))
    assert sessions == _all_sessions(api, 1000)


def test_counts_are_what_is_there(api: httpx.Client) -> None:
    recordings = [one["recording"] for one in _all_sessions(api, 1000) if one["recording"]]
    counts = api.get("/api/v1/status").json()["records"]
    assert counts["sessions"] == 24
    assert counts["recordings"] == len(recordings)
    assert counts["recording_bytes"] == 1_000_000 == sum(one["size_bytes"] for one in recordings)  # type: ignore[index]


def _a_recording(api: httpx.Client) -> tuple[str, int, str]:
    for session in _all_sessions(api, 1000):
        recording = session["recording"]
        if isinstance(recording, dict):
            return str(session["lsid"]), recording["size_bytes"], recording["sha256"]
    raise AssertionError("no recording")


def test_a_recording_can_be_read_from_any_byte_on(api: httpx.Client) -> None:
    lsid, size, digest = _a_recording(api)
    whole = api.get(f"/api/v1/recordings/{lsid}")
    assert (whole.status_code, len(whole.content)) == (200, size)
    assert hashlib.sha256(whole.content).hexdigest() == digest == whole.headers["Content-SHA256"]
    for start in (1, size // 2, size - 1):
        rest = api.get(f"/api/v1/recordings/{lsid}", headers={"Range": f"bytes={start}-"})
        assert rest.status_code == 206
        assert rest.headers["Content-Range"] == f"bytes {start}-{size - 1}/{size}"
        assert rest.content == whole.content[start:]
    beyond = api.get(f"/api/v1/recordings/{lsid}", headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.json()["error"]) == (416, "range")


def test_what_is_not_there_is_not_found(api: httpx.Client) -> None:
    for lsid in ("f" * 32, "..%2f..%2ffactory.json"):
        answer = api.get(f"/api/v1/recordings/{lsid}")
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


def test_a_session_and_its_recording_are_put_back_once(box: BoxProcess, api: httpx.Client) -> None:
    content = bytes(range(256)) * 40_000
    digest = hashlib.sha256(content).hexdigest()
    there = f"/api/v1/recordings/{A_SESSION['lsid']}"
    early = api.put(there, content=content, headers={"Content-SHA256": digest})
    assert (early.status_code, early.json()["error"]) == (404, "not_found")

    body = {"sessions": [{**A_SESSION, "recording": {"size_bytes": 1, "sha256": "0" * 64}}]}
    assert api.post("/api/v1/sessions", json=body).json() == {"imported": 1, "already": 0, "refused": []}
    assert api.post("/api/v1/sessions", json=body).json() == {"imported": 0, "already": 1, "refused": []}
    changed = {"sessions": [{**A_SESSION, "team": "Another"}]}
    assert api.post("/api/v1/sessions", json=changed).json()["refused"][0]["lsid"] == A_SESSION["lsid"]
    stored = _all_sessions(api, 1000)[-1]
    assert stored == {**A_SESSION, "seq": 25, "recording": None}

    wrong = api.put(there, content=content[1:], headers={"Content-SHA256": digest})
    assert (wrong.status_code, wrong.json()["error"]) == (422, "hash_mismatch")
    assert list((box.disk / "scratch").iterdir()) == []
    pieces = (content[start : start + 100_000] for start in range(0, len(content), 100_000))
    assert api.put(there, content=pieces, headers={"Content-SHA256": digest}).status_code == 201
    assert api.put(there, content=content, headers={"Content-SHA256": digest}).status_code == 200
    other = hashlib.sha256(b"another").hexdigest()
    again = api.put(there, content=b"another", headers={"Content-SHA256": other})
    assert (again.status_code, again.json()["error"]) == (409, "conflict")
    assert api.get(there).content == content
    assert _all_sessions(api, 1000)[-1]["recording"] == {"size_bytes": len(content), "sha256": digest}


@pytest.mark.parametrize(
    "change",
    [
        {"lsid": "../../etc/passwd"},
        {"start_time": "yesterday"},
        {"surprise": 1},
        {"seq": 7},
        {"start_time": "2026-03-04"},
    ],
)
def test_a_record_that_is_not_one_imports_nothing(api: httpx.Client, change: dict[str, object]) -> None:
    before = _all_sessions(api, 1000)
    good = {**A_SESSION, "lsid": "a" * 32}
    answer = api.post("/api/v1/sessions", json={"sessions": [good, {**A_SESSION, **change}]})
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_request")
    assert next(iter(change)) in answer.json()["message"]
    assert _all_sessions(api, 1000) == before


@pytest.mark.parametrize(
    ("site_version", "sessions", "recordings"),
    [("Bomgar-12.0.9", False, False), ("Bomgar-12.1.6", True, False), ("Bomgar-12.2.0", True, True)],
)
def test_what_can_be_put_back_depends_on_the_site_package(
    tmp_path: Path, site_version: str, sessions: bool, recordings: bool
) -> None:
    with quiet_box(tmp_path / "disk", in_use_order(site_version=site_version)) as box:
        assert box.status().capabilities == ("import-sessions", "import-recordings")[: sessions + recordings]
        record = SessionRecord.model_validate(A_SESSION)
        if sessions:
            assert box.content.import_sessions("me", [record]).imported == 1
        else:
            with pytest.raises(Refusal) as refused:
                box.content.import_sessions("me", [record])
            assert (refused.value.status, refused.value.code) == (409, "not_supported")
        lsid = box.content.sessions(0, 1).sessions[0].lsid
        if recordings:
            box.content.open_recording("me", lsid, "0" * 64).__exit__(None, None, None)
        else:
            with pytest.raises(Refusal) as refused:
                box.content.open_recording("me", lsid, "0" * 64)
            assert refused.value.code == "not_supported"


def test_the_same_seed_makes_the_same_site(tmp_path: Path) -> None:
    found = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        with quiet_box(tmp_path / name, in_use_order(seed=seed)) as box:
            users, sessions = box.content.settings("users"), box.content.sessions(0, 1000).sessions
            found.append(json.dumps([users, [one.model_dump(mode="json") for one in sessions]]))
    assert found[0] == found[1] != found[2]


def test_a_site_of_any_size_adds_up(tmp_path: Path) -> None:
    for size_mb in (0, 1, 3):
        folder = tmp_path / str(size_mb)
        manufacture(folder, in_use_order(size_mb=size_mb))
        disk = Disk(folder)
        with closing(connect(disk.database, disk.keys)) as database:
            sessions = database.execute("SELECT lsid, recording_size FROM sessions WHERE recording_size").fetchall()
        sizes = []
        for row in sessions:
            with read_recording(disk, row["lsid"]) as recording:
                sizes.append((recording.size, row["recording_size"]))
        assert all(real == told for real, told in sizes)
        assert sum(real for real, _ in sizes) == size_mb * 1_000_000
        assert len(list(disk.recordings.iterdir())) == len(sizes)
