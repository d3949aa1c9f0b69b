"""Record by record: what is lost, new or different, with field names, and never a secret's value."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from toolkit.backup.compare import NOT_SHOWN, compare_records, is_secret
from toolkit.model.errors import VerificationError

Record = dict[str, JsonValue]

ANA: Record = {"id": "user-1", "name": "Ana", "rights": ["support", "jump"], "mail": {"to": "ana@example.net"}}
BRUNO: Record = {"id": "user-2", "name": "Bruno", "rights": [], "mail": {"to": "bruno@example.net"}}


def test_the_same_records_in_another_order_are_the_same() -> None:
    found = compare_records("users", [ANA, BRUNO], [BRUNO, ANA])
    assert found.same
    assert (found.before, found.after, found.equal) == (2, 2, 2)
    assert found.compared().model_dump() == {"kind": "users", "before": 2, "after": 2, "different": 0, "note": ""}


def test_lost_new_and_different_records_are_named() -> None:
    changed: Record = {**ANA, "rights": ["support", "root"], "mail": {"to": "x@example.net"}}
    found = compare_records("users", [ANA, BRUNO], [changed, {"id": "user-3"}])
    assert found.only_before == ("user-2",)
    assert found.only_after == ("user-3",)
    (difference,) = found.different
    assert [(field.path, field.before, field.after) for field in difference.fields] == [
        ("mail.to", "ana@example.net", "x@example.net"),
        ("rights[1]", "jump", "root"),
    ]
    assert found.compared().different == 3
    assert found.note() == "lost: user-2; new: user-3; different: user-1 (mail.to, rights[1])"


def test_fields_that_move_by_themselves_are_no_difference_at_any_depth() -> None:
    before: Record = {"id": 1, "last_login": "yesterday", "clients": [{"name": "a", "online": True}]}
    after: Record = {"id": 1, "last_login": "today", "clients": [{"name": "a", "online": False}]}
    assert compare_records("users", [before], [after]).same


def test_a_field_that_is_gone_differs_from_one_that_is_null_only_by_its_name() -> None:
    (difference,) = compare_records("users", [{"id": 1, "a": 0}], [{"id": 1, "a": None, "b": False}]).different
    assert [field.path for field in difference.fields] == ["a", "b"]


def test_true_and_one_are_not_the_same() -> None:
    assert not compare_records("options", [{"id": 1, "value": True}], [{"id": 1, "value": 1}]).same


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "Password_Hash",
        "passphrase",
        "api_token",
        "client_secret",
        "private_key",
        "shared_keys",
        "psk",
        "salt",
        "apiKey",
    ],
)
def test_values_that_look_secret_are_never_shown(name: str) -> None:
    assert is_secret(name)
    before: Record = {"id": 1, name: "hunter2", "nested": {name: ["hunter2"]}}
    after: Record = {"id": 1, name: "hunter3", "nested": None, "added": {name: "hunter3"}}
    found = compare_records("users", [before], [after])
    assert "hunter" not in found.model_dump_json()
    assert NOT_SHOWN in found.model_dump_json()


@pytest.mark.parametrize("name", ["keyboard", "passive", "compass", "pinned", "passed", "name"])
def test_ordinary_names_are_shown(name: str) -> None:
    assert not is_secret(name)


def test_a_record_without_an_id_or_with_anothers_cannot_be_compared() -> None:
    with pytest.raises(VerificationError, match="has no 'id'"):
        compare_records("users", [{"name": "Ana"}], [])
    with pytest.raises(VerificationError, match="two records of users have the same 'id': user-1"):
        compare_records("users", [ANA, ANA], [])


def test_a_long_text_is_cut_in_what_is_shown() -> None:
    (difference,) = compare_records("options", [{"id": 1, "value": "x" * 9000}], [{"id": 1, "value": "y"}]).different
    assert len(str(difference.fields[0].before)) < 300


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=10,
)
records = st.lists(
    st.fixed_dictionaries({"id": st.integers(0, 9)}, optional={"a": values, "b": values, "password": values}),
    unique_by=lambda record: record["id"],  # type: ignore[arg-type,return-value]
    max_size=6,
)


def _text(record: Record) -> str:
    return json.dumps(record, sort_keys=True)


@given(before=records, after=records)
def test_counts_add_up_and_only_what_is_the_same_is_called_the_same(before: list[Record], after: list[Record]) -> None:
    found = compare_records("things", before, after)
    old = {repr(record["id"]): _text(record) for record in before}
    new = {repr(record["id"]): _text(record) for record in after}
    assert set(found.only_before) == old.keys() - new.keys()
    assert set(found.only_after) == new.keys() - old.keys()
    assert {one.id for one in found.different} == {key for key in old.keys() & new.keys() if old[key] != new[key]}
    assert found.before == found.equal + len(found.only_before) + len(found.different)
    assert found.same == (old == new)


@given(before=records)
def test_comparing_changes_nothing_and_a_copy_is_the_same(before: list[Record]) -> None:
    kept = copy.deepcopy(before)
    assert compare_records("things", before, copy.deepcopy(before)).same
    assert before == kept
