"""Erasures to record: one that passed, others like it, and any at all."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from toolkit.reset.erasure import ErasedLayer, Erasure
from toolkit.reset.record import Record, RecordContext

STARTED = datetime(2025, 3, 1, 22, 0, tzinfo=UTC)


def an_erasure(**changed: Any) -> Erasure:
    """A disk of 4 TB that was overwritten, and all of it read back."""
    told: dict[str, Any] = {
        "vendor": "Example", "model": "SSD 870", "serial_number": "S5GYNX0T100001", "wwn": "naa.5002538f30b0c1d2",
        "firmware": "SVT02B6Q", "media_type": "solid-state disk (sata)", "capacity_bytes": 4_000_787_030_016,
        "category": "clear", "technique": "overwrite with zeros", "passes": 1, "tool_version": "1.0",
        "verification": "full", "verified_bytes": 4_000_787_030_016, "verified_fraction": 1.0, "result": "passed",
        "started": STARTED, "finished": STARTED + timedelta(hours=5), "operator": "A. Operator", "run_id": "20250301-1",
    }  # fmt: skip
    return Erasure.model_validate(told | changed)


def a_record(**changed: Any) -> Record:
    """The record of that."""
    context = RecordContext(site="support.example.com", source="appliance RB-OLD-0001", backed_up="yes")
    return Record(erasure=an_erasure(**changed), context=context)


# lone surrogates too: a disk says what it says
words = st.text(st.characters(exclude_categories=()), max_size=40) | st.sampled_from(
    ["<script>alert(1)</script>", "&lt;", "\x00\x1b[31m", "\u202egpj.exe", "\udcff", "%", "~2", "../..", "."]
)
numbers = st.integers(0, 2**63)
layers = st.lists(
    st.builds(
        ErasedLayer,
        place=words, format=words, size_bytes=numbers, bytes_read=numbers, technique=words,
        verification=st.sampled_from(["full", "none"]), again=st.booleans(), reason=words,
        result=st.sampled_from(["passed", "failed", "unknown", "left"]),
    ),
    max_size=3,
)  # fmt: skip
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.integers(0, 2**33).flatmap(lambda second: zones.map(lambda zone: datetime.fromtimestamp(second, zone)))


def _honest(*, loop: bool, identity: str, **told: Any) -> Erasure:
    """One that may be: known by one thing, and passed only when it was read back."""
    known = {"backing_file" if loop else "serial_number": identity or "S"}
    verified = told["verification"] != "none" and told["verified_bytes"] and told["passes"]
    verified = verified and all(layer.result == "passed" for layer in told["layers"])
    result = told["result"] if verified else "unknown"
    return Erasure.model_validate(told | known | {"result": result})


erasures = st.builds(
    _honest,
    vendor=words, model=words, loop=st.booleans(), identity=words, wwn=words, firmware=words, media_type=words,
    capacity_bytes=numbers, sector_bytes=st.integers(1, 2**16), category=st.sampled_from(["clear", "purge"]),
    technique=words, passes=st.integers(0, 99), discarded=st.booleans(), again=st.booleans(), tool=words,
    tool_version=words, verification=st.sampled_from(["full", "sampled", "none"]), verified_bytes=numbers,
    verified_fraction=st.floats(0, 1), sample_seed=words, result=st.sampled_from(["passed", "failed", "unknown"]),
    reason=words, started=moments, finished=moments, operator=words, run_id=st.none() | words,
    layers=layers, kept_beside=st.lists(words, max_size=2),
)  # fmt: skip
contexts = st.builds(
    RecordContext,
    site=words, source=words, property_number=words, classification_before=words,
    backed_up=st.sampled_from(["yes", "no", "unknown"]), backup_location=words, classification_after=words,
    destination=words, notes=words, position=words, organisation=words, location=words, contact=words,
)  # fmt: skip
records = st.builds(Record, erasure=erasures, context=contexts)
