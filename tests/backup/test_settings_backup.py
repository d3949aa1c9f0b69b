"""The settings backup's story: fetched, sealed, read back, restored, compared; and what happens when it cannot be."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.backup.conftest import NOW, Key
from tests.backup.small_box import PowerCutError, Record, SmallBox, factory_box, quiet
from toolkit.backup.age import MissingIdentityError, WrongIdentityError
from toolkit.backup.manifest import Manifest
from toolkit.backup.sealed import unsealed
from toolkit.backup.settings_backup import RestoredSettings, create_settings_backup, restore_settings
from toolkit.model.errors import ApplianceError, BackupError, InputError, VerificationError
from toolkit.model.verdict import Verdict

ROOT = Path(__file__).parents[2]
USERS: tuple[Record, ...] = ({"id": "user-1", "name": "Ana"}, {"id": "user-2", "name": "Bruno"})


@pytest.fixture
def box() -> SmallBox:
    return SmallBox(settings_records={"users": USERS, "options": ({"id": "timeout", "value": 45},)})


def create(box: SmallBox, folder: Path, key: Key) -> Manifest:
    return create_settings_backup(box, folder, [key.recipient], box.passphrase, NOW, quiet)


def restore(box: SmallBox, folder: Path, *keys: Key) -> RestoredSettings:
    identities = [key.identity for key in keys]
    return restore_settings(box, folder, identities, "of the box", quiet, scratch=folder.parent)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_folder_holds_the_backup_what_the_box_showed_and_the_manifest(
    box: SmallBox, tmp_path: Path, key: Key
) -> None:
    manifest = create(box, tmp_path / "b", key)
    assert names(tmp_path / "b") == {".lock", "manifest.json", "settings.zst.age", "snapshot.json.zst.age"}
    file = manifest.file("settings")
    with unsealed(tmp_path / "b" / file.name, [key.identity], file) as stream:
        assert stream.read() == box.backup
    assert manifest.complete
    assert box.changes == []


def test_the_plain_tools_give_the_very_file_the_box_gave(box: SmallBox, tmp_path: Path, key: Key) -> None:
    create(box, tmp_path / "b", key)
    (tmp_path / "identity").write_text(f"{key.identity}\n")
    command = f"age -d -i {tmp_path}/identity {tmp_path}/b/settings.zst.age | zstd -dq"
    assert subprocess.run(["bash", "-c", command], check=True, capture_output=True).stdout == box.backup


def test_created_again_it_confirms_what_is_there(box: SmallBox, tmp_path: Path, key: Key) -> None:
    first = create(box, tmp_path / "b", key)
    box.backup = b"something newer"
    assert create(box, tmp_path / "b", key) == first


def test_created_again_over_a_damaged_one_it_refuses(box: SmallBox, tmp_path: Path, key: Key) -> None:
    create(box, tmp_path / "b", key)
    with (tmp_path / "b" / "settings.zst.age").open("r+b") as file:
        file.seek(300)
        file.write(b"\0\0\0")
    with pytest.raises(BackupError, match=r"settings\.zst\.age: it was altered"):
        create(box, tmp_path / "b", key)


def test_a_folder_of_another_box_is_refused_and_kept(box: SmallBox, tmp_path: Path, key: Key) -> None:
    create(box, tmp_path / "b", key)
    before = (tmp_path / "b" / "manifest.json").read_bytes()
    with pytest.raises(InputError, match="the settings of box BX-0001"):
        create(factory_box(), tmp_path / "b", key)
    assert (tmp_path / "b" / "manifest.json").read_bytes() == before


def test_settings_that_change_meanwhile_are_fetched_again(box: SmallBox, tmp_path: Path, key: Key) -> None:
    def somebody_adds_a_user() -> None:
        box.settings_records["users"] = (*USERS, {"id": "user-3", "name": "Carla"})

    box.while_downloading = somebody_adds_a_user
    create(box, tmp_path / "b", key)
    other = factory_box()
    other.settings_records = box.settings_records
    assert restore(other, tmp_path / "b", key).differences[0].before == 3


def test_settings_that_never_rest_are_no_backup(box: SmallBox, tmp_path: Path, key: Key) -> None:
    def somebody_is_busy() -> None:
        box.settings_records["users"] += ({"id": f"user-{len(box.settings_records['users']) + 1}"},)

    box.while_downloading = somebody_is_busy
    with pytest.raises(VerificationError, match="the settings change while they are backed up"):
        create(box, tmp_path / "b", key)
    assert names(tmp_path / "b") == {".lock"}


def test_an_empty_backup_is_none(box: SmallBox, tmp_path: Path, key: Key) -> None:
    box.backup = b""
    with pytest.raises(ApplianceError, match="empty settings backup"):
        create(box, tmp_path / "b", key)
    assert names(tmp_path / "b") == {".lock"}


def test_killed_while_downloading_it_starts_anew_and_leaves_no_open_copy(
    box: SmallBox, tmp_path: Path, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    def power_cut() -> None:
        raise PowerCutError

    box.while_downloading = power_cut
    with monkeypatch.context() as dead:
        dead.setattr("toolkit.backup.folder.shutil.rmtree", lambda *_, **__: None)  # the dead tidy nothing up
        with pytest.raises(PowerCutError):
            create(box, tmp_path / "b", key)
    assert any(name.startswith(".scratch") for name in names(tmp_path / "b"))
    box.while_downloading = lambda: None
    create(box, tmp_path / "b", key)
    assert not any(name.startswith(".scratch") for name in names(tmp_path / "b"))


FULL = """
import sys
from pathlib import Path
from tests.backup.conftest import NOW
from tests.backup.small_box import SmallBox, quiet
from toolkit.backup import age
from toolkit.backup.settings_backup import create_settings_backup
from toolkit.model.errors import StorageError
import os

box = SmallBox(backup=os.urandom(int(sys.argv[2])))
folder = Path(sys.argv[1]) / "b"
try:
    create_settings_backup(box, folder, [age.new_identity()[1]], box.passphrase, NOW, quiet)
except StorageError as error:
    print(error)
assert [path.name for path in folder.iterdir()] == [".lock"], list(folder.iterdir())
assert box.changes == []
"""


@pytest.mark.parametrize("size_bytes", [2_000_000, 700_000], ids=["while downloading", "while encrypting"])
def test_on_a_full_disk_nothing_looks_whole_and_the_box_is_untouched(tmp_path: Path, size_bytes: int) -> None:
    script = 'mount -t tmpfs -o size=1m rebox-test "$1" && exec "$2" -c "$3" "$1" "$4"'
    command = ["unshare", "-Urm", "sh", "-ec", script, "sh", str(tmp_path), sys.executable, FULL, str(size_bytes)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert "No space left on device" in said
    assert "run the same command again" in said


def test_restored_and_compared_record_by_record(box: SmallBox, tmp_path: Path, key: Key) -> None:
    create(box, tmp_path / "b", key)
    new = factory_box()
    new.backup = box.backup
    new.settings_records = {**box.settings_records, "users": ({"id": "user-1", "name": "Anna"},)}
    restored = restore(new, tmp_path / "b", key)
    assert new.changes == ["restore"]
    assert restored.verdict is Verdict.FAILED
    users, *others = restored.differences
    assert users.note() == "lost: user-2; different: user-1 (name)"
    assert all(kind.same for kind in others)
    new.settings_records = box.settings_records
    assert restore(new, tmp_path / "b", key).verdict is Verdict.PASSED
    assert names(tmp_path) == {"b"}


def test_nothing_to_compare_is_not_a_pass(tmp_path: Path, key: Key) -> None:
    create(SmallBox(), tmp_path / "b", key)
    assert restore(SmallBox(), tmp_path / "b", key).verdict is Verdict.UNKNOWN


def test_a_damaged_backup_never_reaches_the_box(box: SmallBox, tmp_path: Path, key: Key) -> None:
    create(box, tmp_path / "b", key)
    path = tmp_path / "b" / "settings.zst.age"
    path.write_bytes(path.read_bytes()[:-1])
    new = factory_box()
    with pytest.raises(BackupError, match=r"settings\.zst\.age"):
        restore(new, tmp_path / "b", key)
    assert new.changes == []


def test_the_wrong_and_the_missing_identity_and_the_wrong_passphrase_each_say_so(
    box: SmallBox, tmp_path: Path, key: Key, other_key: Key
) -> None:
    create(box, tmp_path / "b", key)
    new = factory_box()
    with pytest.raises(WrongIdentityError, match="none of the given identities"):
        restore(new, tmp_path / "b", other_key)
    with pytest.raises(MissingIdentityError, match="without an identity"):
        restore(new, tmp_path / "b")
    with pytest.raises(ApplianceError, match="wrong_passphrase"):
        restore_settings(new, tmp_path / "b", [key.identity], "another", quiet)
    assert new.changes == []
