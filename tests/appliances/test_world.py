"""Secrets are fetched before the first step, each once; paths count from the inventory's folder."""

from pathlib import Path

from tests.step_context import inventory, world_of
from toolkit.model.secret import SecretReference


def test_every_secret_of_the_inventory_is_asked_for_beforehand(tmp_path: Path) -> None:
    asked: list[tuple[SecretReference, str]] = []

    def resolve(reference: SecretReference, purpose: str) -> str:
        asked.append((reference, purpose))
        return "secret"

    world_of(tmp_path, resolve_secret=resolve).fetch_secrets()
    assert asked == [
        ("file:old-api.secret", "the old box's API account"),
        ("env:NEW_API_SECRET", "the new box's API account"),
        ("prompt", "the new box's admin account"),
        ("prompt", "the exported certificate"),
        ("prompt", "the box's settings backup"),
        ("keyring:rebox/identity", "the identity that opens backups"),
        ("file:tsig.key", "the zone's TSIG key"),
    ]


def test_a_swing_of_addresses_needs_no_key_of_a_zone(tmp_path: Path) -> None:
    asked: list[str] = []

    def resolve(reference: SecretReference, purpose: str) -> str:
        asked.append(purpose)
        return "secret"

    world_of(tmp_path, of=inventory("shared-ip.toml"), resolve_secret=resolve).fetch_secrets()
    assert asked
    assert not any("TSIG" in purpose for purpose in asked)


def test_the_secrets_known_are_those_fetched_so_far(tmp_path: Path) -> None:
    known: dict[tuple[SecretReference, str], str] = {}

    def resolve(reference: SecretReference, purpose: str) -> str:
        return known.setdefault((reference, purpose), f"secret {len(known)}")

    world = world_of(tmp_path, resolve_secret=resolve, known_secrets=lambda: frozenset(known.values()))
    assert world.secret_values() == frozenset()
    first = world.secret("prompt", "the door")
    assert world.secret_values() == {first}
    world.fetch_secrets()
    assert len(world.secret_values()) == 8
    assert world.secret("prompt", "the door") == first


def test_what_is_slow_is_made_once(tmp_path: Path) -> None:
    world, made = world_of(tmp_path), [1, 2, 3]
    assert [world.once("number", made.pop) for _ in range(3)] == [3, 3, 3]
    assert world_of(tmp_path).once("number", made.pop) == 2


def test_paths_count_from_the_inventorys_folder(tmp_path: Path) -> None:
    world = world_of(tmp_path)
    assert world.path("ca.pem") == tmp_path.resolve() / "ca.pem"
    assert world.path("/etc/ca.pem") == Path("/etc/ca.pem")
    assert world.path("~/ca.pem") == Path("~/ca.pem").expanduser().resolve()
