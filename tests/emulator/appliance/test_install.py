"""A box as a process takes a Base update and its first site package from a real update server (U1, U2, U7, U10)."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.emulator.appliance.box_process import BoxProcess, factory_order, wait_until
from tests.emulator.update_server.authority import Authority
from toolkit.emulator.appliance.factory import Factory
from toolkit.emulator.update_server.repository import Offer, make_repository
from toolkit.emulator.update_server.server import serving

SITE_PACKAGE = "Bomgar-12.2.0"


def test_a_new_box_installs_its_first_site_package(make_box: Callable[[Factory], BoxProcess], tmp_path: Path) -> None:
    repository = make_repository(
        tmp_path / "updates", "https://127.0.0.1", offer=Offer("support.example.net"), package_bytes=240_000
    )
    authority = Authority(tmp_path)
    with serving(repository, *authority.issue("127.0.0.1")) as port:
        box = make_box(
            factory_order(
                base_version="3.3.2",
                update_server=f"https://127.0.0.1:{port}",
                tuf_root=repository.root_file.read_bytes(),
                ca=authority.ca_file.read_bytes(),
            )
        )
        api = box.take_into_use()
        offered = {update["id"]: update for update in api.post("/api/v1/updates/check").json()}
        assert offered[SITE_PACKAGE]["eula_required"]
        assert api.get("/api/v1/updates").json() == list(offered.values())
        there = f"/api/v1/updates/{SITE_PACKAGE}"
        assert api.post(f"{there}/install").json()["error"] in ("eula_required", "prerequisite")
        _sign(api, there)
        for update_id in [one for one in offered if offered[one]["kind"] == "base"]:
            assert _install(api, update_id)["state"] == "complete"
        job = _install(api, SITE_PACKAGE)
        assert (job["kind"], job["state"], job["progress"], job["error"]) == ("install", "complete", 1.0, None)
        box.kill()
        api = box.power_on().api()
        assert api.get(f"/api/v1/jobs/{job['id']}").json() == job
        status = api.get("/api/v1/status").json()
        assert (status["site_version"], status["site_hostname"]) == (SITE_PACKAGE, "support.example.net")
        assert (status["state"], status["records"]["users"]) == ("running", 1)
        assert SITE_PACKAGE not in [update["id"] for update in api.get("/api/v1/updates").json()]


def _sign(api: httpx.Client, there: str) -> None:
    text = api.get(f"{there}/eula").text
    signature = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "signed_by": "A. Tester"}
    assert api.post(f"{there}/eula", json=signature).status_code == 204


def _install(api: httpx.Client, update_id: str) -> dict[str, Any]:
    """Installs and follows the job to its end; the box's connections are cut when its services restart."""
    started = api.post(f"/api/v1/updates/{update_id}/install")
    assert started.status_code == 202, started.text
    seen: list[dict[str, Any]] = []

    def ended() -> object:
        try:
            seen.append(api.get(f"/api/v1/jobs/{started.json()['id']}").json())
        except httpx.TransportError:
            return False
        return seen[-1]["state"] != "running"

    wait_until(ended, f"the installation of {update_id}")
    return seen[-1]
