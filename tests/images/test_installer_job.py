"""Jobs: which are complete, and the copy of an ISO that holds one."""

import json
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from toolkit.images.installer_job import CallHome, InstallerJob, Network, write_job_iso
from toolkit.images.iso_image import JOB_BYTES, JOB_FILE
from toolkit.installer.job import read_job
from toolkit.model.errors import InputError, StorageError

SHA = "ab" * 32
MAC = "52:54:00:00:00:01"
INSTALL = InstallerJob(
    action="install", machine_serial="SRV-1", macs=("52:54:00:00:00:0A",), disk_serial="S1", image_sha256=SHA,
    seed={"serial_number": "VM-1", "data_disk_serial": "D1"}, authorized_keys=("ssh-ed25519 AAAA",),
    network=Network(mac=MAC, address="192.168.7.2/24"),
    report=CallHome.model_validate({"url": "https://192.168.7.1:8443/x", "token": "t0ken", "certificate_sha256": SHA}),
    then="reboot",
)  # fmt: skip


@pytest.fixture
def iso(tmp_path: Path) -> Path:
    """Like the installer's, without what it starts."""
    tree = tmp_path / "tree"
    (tree / "boot").mkdir(parents=True)
    (tree / JOB_FILE).write_bytes(b" " * JOB_BYTES)
    for number in range(80):
        (tree / f"another-file-{number}.txt").write_text("text")
    made = tmp_path / "plain.iso"
    words = [
        "xorriso",
        "-as",
        "mkisofs",
        "-quiet",
        "-iso-level",
        "3",
        "-rational-rock",
        "-output",
        str(made),
        str(tree),
    ]
    subprocess.run(words, check=True, capture_output=True)
    return made


def extracted(iso: Path, folder: Path) -> bytes:
    out = folder / "extracted.json"
    out.unlink(missing_ok=True)
    words = ["xorriso", "-osirrox", "on", "-indev", str(iso), "-extract", f"/{JOB_FILE}", str(out)]
    subprocess.run(words, check=True, capture_output=True)
    return out.read_bytes()


def test_the_copy_holds_the_job_and_nothing_else_is_changed(iso: Path, tmp_path: Path) -> None:
    plain = iso.read_bytes()
    write_job_iso(iso, INSTALL, tmp_path / "job.iso")
    written = (tmp_path / "job.iso").read_bytes()
    assert iso.read_bytes() == plain
    assert len(written) == len(plain)
    assert (tmp_path / "job.iso").stat().st_mode & 0o777 == 0o600
    assert extracted(tmp_path / "job.iso", tmp_path) == INSTALL.as_bytes().ljust(JOB_BYTES)
    assert written.replace(INSTALL.as_bytes(), b" " * len(INSTALL.as_bytes())) == plain


def test_the_installer_reads_what_was_written() -> None:
    job = read_job(INSTALL.as_bytes().ljust(JOB_BYTES))
    assert job is not None
    assert (job.action, job.machine_serial, job.macs) == ("install", "SRV-1", ("52:54:00:00:00:0a",))
    assert (job.disk_serial, job.image_sha256, job.then) == ("S1", SHA, "reboot")
    assert job.seed == {"serial_number": "VM-1", "data_disk_serial": "D1"}
    assert (job.data_serial, job.authorized_keys) == ("D1", ("ssh-ed25519 AAAA",))
    assert job.network == {"mac": MAC, "address": "192.168.7.2/24"}
    assert job.report == {"url": "https://192.168.7.1:8443/x", "token": "t0ken", "certificate_sha256": SHA}
    plain = read_job(InstallerJob().as_bytes())
    assert plain is not None
    assert (plain.action, plain.data_serial, plain.report) == ("inspect", "", None)


def test_the_token_is_in_no_text_about_the_job() -> None:
    assert "t0ken" not in f"{INSTALL!r} {INSTALL}"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"action": "install"}, "install needs machine_serial"),
        ({"action": "wipe", "machine_serial": "S", "macs": [MAC]}, "wipe needs disk_serial"),
        ({"action": "wipe", "machine_serial": " ", "macs": [MAC], "disk_serial": "D"}, "machine_serial"),
        ({"action": "wipe", "machine_serial": "S", "macs": [], "disk_serial": "D"}, "wipe needs macs"),
        ({"action": "wipe", "machine_serial": "S", "macs": ["52-54"], "disk_serial": "D"}, "macs"),
        ({"action": "format"}, "action"),
        ({"image_sha256": SHA}, "takes no seed and no image"),
        ({"report": {"url": "https://10.0.0.1", "token": "t", "certificate_sha256": SHA}}, "report needs a network"),
        ({"report": {"url": "http://10.0.0.1", "token": "t", "certificate_sha256": SHA}}, "https"),
        ({"report": {"url": "https://name.example", "token": "t", "certificate_sha256": SHA}}, "name.example"),
        ({"network": {"mac": MAC, "address": "10.0.0.300/24"}}, "address"),
        ({"disk": "/dev/sda"}, "disk"),
    ],
)
def test_a_job_that_is_not_complete_is_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        InstallerJob.model_validate(fields)


def test_a_job_that_does_not_fit_is_refused_and_nothing_is_written(iso: Path, tmp_path: Path) -> None:
    long = InstallerJob.model_validate({**json.loads(INSTALL.as_bytes()), "seed": {"hostname": "x" * JOB_BYTES}})
    with pytest.raises(InputError, match="too long"):
        write_job_iso(iso, long, tmp_path / "job.iso")
    assert not (tmp_path / "job.iso").exists()


def test_what_is_no_installer_is_named(tmp_path: Path, iso: Path) -> None:
    (tmp_path / "other").write_bytes(bytes(100_000))
    for wrong, words in ((tmp_path / "other", "no ISO image"), (tmp_path / "absent", "cannot be read")):
        with pytest.raises(InputError, match=words):
            write_job_iso(wrong, INSTALL, tmp_path / "job.iso")
    empty = tmp_path / "empty.iso"
    words_of_xorriso = ["xorriso", "-as", "mkisofs", "-quiet", "-output", str(empty), str(tmp_path / "other")]
    subprocess.run(words_of_xorriso, check=True, capture_output=True)
    with pytest.raises(InputError, match=r"holds no job\.json"):
        write_job_iso(empty, INSTALL, tmp_path / "job.iso")
    with pytest.raises(StorageError, match="cannot be written"):
        write_job_iso(iso, INSTALL, tmp_path / "no" / "folder" / "job.iso")
    assert not list(tmp_path.glob(".job.iso*"))
