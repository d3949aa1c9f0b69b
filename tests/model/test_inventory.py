"""An inventory is read whole or refused with file, line, field, reason and next move."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.model.errors import InputError
from toolkit.model.inventory import DnsSwing, Inventory, read_inventory

GOOD = Path("fixtures/inventories/shared-ip.toml").read_text(encoding="utf-8")


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read_inventory(text, "site.toml")
    return caught.value


def line_of(text: str, beginning: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if line.startswith(beginning))


def test_a_good_inventory_is_read_and_fingerprints_come_out_alike_however_they_are_written() -> None:
    inventory = read_inventory(GOOD, "site.toml")
    assert inventory.old.tls_sha256 == "1" * 64
    assert inventory.new.tls_sha256 == "2" * 64
    assert inventory.reset.soak_seconds == 1200


def test_the_swing_by_dns_is_another_table() -> None:
    text = Path("fixtures/inventories/dns.toml").read_text(encoding="utf-8")
    assert isinstance(read_inventory(text, "dns.toml").swing, DnsSwing)


def test_a_misspelt_field_is_named_with_its_line_and_the_right_spelling() -> None:
    text = GOOD.replace("serial_number", "serial_numer", 1)
    error = refusal(text)
    assert error.where == f"site.toml:{line_of(text, 'serial_numer ')}"
    assert "old.serial_numer" in error.what
    assert 'Did you mean "serial_number"?' in error.next_move


def test_an_unknown_table_is_refused() -> None:
    error = refusal(GOOD + "\n[surprise]\nvalue = 1\n")
    assert "surprise" in error.what
    assert error.why == "there is no such field"


def test_a_missing_field_is_named_at_its_table() -> None:
    text = GOOD.replace('address = "10.77.0.21"\n', "")
    error = refusal(text)
    assert error.where == f"site.toml:{line_of(text, '[old]')}"
    assert "old.address" in error.what
    assert error.why == "the field is missing"


def test_what_is_no_toml_is_refused_with_its_line() -> None:
    assert refusal("[site\nname = 1").where.startswith("site.toml:1")


@pytest.mark.parametrize(
    ("written", "instead", "field"),
    [
        ('address = "10.77.0.21"', 'address = "10.77.0.300"', "old.address"),
        ('tls_sha256 = "1111', 'tls_sha256 = "zz11', "old.tls_sha256"),
        ('client_secret = "file:old-api.secret"', 'client_secret = "hunter2"', "old.client_secret"),
        ('name = "support.example.net"', 'name = "not a name"', "site.name"),
        ('version = "Bomgar-12.2.0"', 'version = "newest"', "package.version"),
        ('method = "shared-ip"', 'method = "magic"', "swing"),
        ('kind = "physical"', 'kind = "imaginary"', "old.kind"),
    ],
)
def test_a_wrong_value_is_named_with_its_line(written: str, instead: str, field: str) -> None:
    text = GOOD.replace(written, instead, 1)
    error = refusal(text)
    assert field in error.what
    assert error.where != "site.toml"


def test_a_secret_written_in_the_open_is_refused_and_not_repeated() -> None:
    error = refusal(GOOD.replace("file:old-api.secret", "s3cret-in-the-open"))
    assert "s3cret-in-the-open" not in str(error)
    assert "env:NAME" in str(error)


def test_the_same_box_as_old_and_new_is_refused() -> None:
    error = refusal(GOOD.replace("RB-NEW-0002", "RB-OLD-0001"))
    assert "same box" in error.why
    assert (error.what, error.next_move) == ("its fields do not fit together", "Mend the file and try again.")
    error = refusal(GOOD.replace('address = "10.77.0.22"', 'address = "10.77.0.21"'))
    assert "same box" in error.why


def test_a_shared_address_cannot_be_a_boxs_own() -> None:
    assert "own address" in refusal(GOOD.replace('"10.77.0.20"', '"10.77.0.21"')).why


def test_accepting_a_licence_needs_a_name() -> None:
    assert "eula_signed_by" in refusal(GOOD.replace('eula_signed_by = "Ana Souza"\n', "")).why


def test_the_schema_describes_every_table() -> None:
    schema = Inventory.model_json_schema()
    assert set(schema["required"]) == {"site", "old", "new", "swing", "package", "certificate", "backup"}


def refused_in_words(text: str) -> bool:
    """Whether `text` is read, or refused with a place and a next move."""
    with contextlib.suppress(InputError):
        read_inventory(text, "site.toml")
        return True
    error = refusal(text)
    return error.where.startswith("site.toml") and bool(error.next_move)


@given(st.text(max_size=300))
def test_whatever_is_written_the_answer_is_an_inventory_or_an_input_error(text: str) -> None:
    assert refused_in_words(text)


@given(st.integers(min_value=0, max_value=len(GOOD) - 1), st.characters())
def test_whatever_one_character_becomes_there_is_no_other_error(position: int, character: str) -> None:
    text = GOOD[:position] + character + GOOD[position + 1 :]
    assert refused_in_words(text)


@pytest.mark.parametrize(
    ("recipient", "words"),
    [("age1xxx", "no age recipient"), ("AGE1QL3Z", "no age recipient"), ("AGE-SECRET-KEY-1QQQ", "a secret key")],
)
def test_a_recipient_that_is_none_is_named_with_its_line_and_a_secret_is_not_repeated(
    recipient: str, words: str
) -> None:
    line = next(line for line in GOOD.splitlines() if line.startswith("recipients"))
    error = refusal(GOOD.replace(line, f'recipients = ["{recipient}"]'))
    assert error.where == f"site.toml:{line_of(GOOD, 'recipients')}"
    assert "backup.recipients.0" in error.what
    assert words in error.why
    assert "SECRET-KEY-1QQQ" not in str(error)
