"""Files: private, whole or not at all, never over another by accident; a full disk loses nothing."""

import os
import resource
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.certificates.authority import Authority, Identity
from toolkit.certificates.files import (
    FILE_BYTES_MAX,
    anchors_from_file,
    read_content,
    read_material,
    system_anchors,
    write_private,
)
from toolkit.model.errors import InputError, RefusedError, StorageError, UnknownStateError

SYSTEM_STORE = Path("/etc/ssl/certs/ca-certificates.crt")


def test_a_file_is_written_private_and_alone(tmp_path: Path) -> None:
    target = tmp_path / "site.pem"
    write_private(target, b"key")
    assert target.read_bytes() == b"key"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["site.pem"]


def test_what_is_there_stays_unless_forced(tmp_path: Path) -> None:
    target = tmp_path / "site.pem"
    target.write_bytes(b"the only copy")
    with pytest.raises(RefusedError, match="only copy of a key"):
        write_private(target, b"new")
    assert target.read_bytes() == b"the only copy"
    write_private(target, b"new", force=True)
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    dangling = tmp_path / "link.pem"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(RefusedError):
        write_private(dangling, b"new")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file") as refusal:
        write_private(tmp_path / "missing" / "site.pem", b"key")
    assert str(tmp_path / "missing") in refusal.value.next_move


def test_a_disk_that_is_full_loses_nothing(tmp_path: Path) -> None:
    target = tmp_path / "site.pem"
    target.write_bytes(b"the only copy")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert soft == hard == resource.RLIM_INFINITY
    # a limit on file sizes in a process of its own: the kernel refuses the write in the middle, as a full disk does
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from toolkit.certificates.files import write_private\n"
        "from toolkit.model.errors import StorageError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    write_private(Path(sys.argv[1]), b'x' * 5000, force=True)\n"
        "except StorageError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, target], capture_output=True, text=True, check=True)
    assert str(target) in done.stdout
    assert target.read_bytes() == b"the only copy"
    assert [entry.name for entry in tmp_path.iterdir()] == ["site.pem"]


def test_a_really_full_disk_says_what_to_free(tmp_path: Path) -> None:
    script = (
        f"mount -t tmpfs -o size=16k none {tmp_path} && cd / && "
        f'{sys.executable} -c "from pathlib import Path; from toolkit.certificates.files import write_private; '
        f"write_private(Path('{tmp_path}/site.pem'), b'x' * 50000)\"; ls -A {tmp_path}"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip("no user namespaces here")
    assert "StorageError" in done.stderr
    assert "No space left on device" in done.stderr
    assert f"Free space on the disk of {tmp_path}" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "huge"])
def test_what_cannot_be_a_certificate_file_is_refused(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "site.pem"
    match kind:
        case "folder":
            target.mkdir()
        case "empty":
            target.touch()
        case "huge":
            with target.open("wb") as stream:
                stream.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(InputError) as refusal:
        read_content(target)
    assert refusal.value.where == str(target)


def test_anchors_from_a_file(tmp_path: Path, authority: Authority, site: Identity) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(authority.root.pem + authority.root.pem)
    assert anchors_from_file(file).certificates == (authority.root.certificate,)
    file.write_bytes(site.key_pem)
    with pytest.raises(UnknownStateError):
        anchors_from_file(file)


@pytest.mark.skipif(not SYSTEM_STORE.exists(), reason="this machine trusts nobody")
def test_the_systems_own_anchors_are_those_openssl_uses() -> None:
    # openssl looks into the file and into the folder; most machines have the same in both
    folder = ssl.get_default_verify_paths().openssl_capath
    files = [SYSTEM_STORE, *(path for path in sorted(Path(folder).glob("*.[0-9]")) if path.is_file())]
    known = {certificate for file in files for certificate in read_material(file).certificates}
    found = set(system_anchors().certificates)
    assert set(read_material(SYSTEM_STORE).certificates) <= found
    assert found <= known


def test_a_machine_that_trusts_nobody_cannot_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(UnknownStateError):
        system_anchors()
