"""Whether firmware is at its defaults: pure judgement of what was read back.

A BMC's word that it has done it counts for nothing. Where it publishes the defaults, every setting is compared; where
it does not, what has changed shows that something was reset; where nothing can be seen, nothing is known.
"""

import hashlib
from collections.abc import Collection, Mapping

from pydantic import BaseModel, ConfigDict, JsonValue

from toolkit.model.counting import counted
from toolkit.model.firmware import BiosState, BmcReset, BmcSeen, KeyDatabase
from toolkit.model.verdict import Verdict

_NAMED_MAX = 5


class Part(BaseModel):
    """How one part of the firmware stands, in words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Verdict
    what: str

    @property
    def holds(self) -> bool:
        """Whether nothing about it is open."""
        return self.verdict in (Verdict.PASSED, Verdict.SKIPPED)


def digests(attributes: Mapping[str, JsonValue], salt: str) -> dict[str, str]:
    """The attributes as they may be kept: some hold secrets, so that only whether they change can be told."""
    return {
        name: hashlib.blake2s(str(value).encode(), key=salt.encode()).hexdigest() for name, value in attributes.items()
    }


def judge_bios(now: BiosState, before: Mapping[str, str], salt: str, *, waited: bool) -> Part:
    """`before`: the digests of then; `waited`: the BMC has said that the reset waits for a start."""
    if now.pending:
        return Part(verdict=Verdict.UNKNOWN, what="its reset waits for the machine's next start")
    known = {name: default for name, default in now.defaults.items() if name in now.attributes}
    wrong = [name for name, default in known.items() if str(now.attributes[name]) != str(default)]
    changed = [name for name, digest in digests(now.attributes, salt).items() if before.get(name) != digest]
    are = counted(len(known), "setting is", "settings are")
    if wrong:
        return Part(verdict=Verdict.FAILED, what=f"{len(wrong)} of {len(known)} settings differ: {_named(wrong)}")
    if known:
        return Part(verdict=Verdict.PASSED, what=f"{are} at the defaults that the BMC publishes")
    if waited:
        return Part(
            verdict=Verdict.PASSED, what="the BMC said that its reset waits for a start, and now that it is done"
        )
    if changed:
        have = counted(len(changed), "setting has", "settings have")
        return Part(verdict=Verdict.PASSED, what=f"{have} changed with its reset; the BMC publishes no defaults")
    return Part(
        verdict=Verdict.UNKNOWN,
        what=f"the BMC publishes no defaults, and none of {counted(len(now.attributes), 'setting')} has changed",
    )


def judge_keys(now: Collection[KeyDatabase]) -> Part:
    """What is enrolled is what the factory enrolled."""
    wrong = [database.name for database in now if database.enrolled != database.factory]
    if wrong:
        return Part(verdict=Verdict.FAILED, what=f"{_named(wrong)} hold other keys than the factory's")
    if not any(database.factory for database in now):
        return Part(verdict=Verdict.UNKNOWN, what="the BMC shows no factory keys to compare with")
    return Part(verdict=Verdict.PASSED, what=f"{_named([each.name for each in now])} hold the factory's keys")


def judge_bmc(seen: BmcSeen, said: str, how: BmcReset) -> Part:
    """A BMC that took our account until its reset takes it no more."""
    if seen == "accepts-us":
        return Part(verdict=Verdict.FAILED, what="it still takes our account")
    if seen == "refuses-us":
        return Part(verdict=Verdict.PASSED, what=f"our account counts no more ({said})")
    if how == "ResetAll":
        # its address was among what it had to forget
        return Part(verdict=Verdict.PASSED, what=f"it answers no more where it was ({said}); its address was reset too")
    return Part(verdict=Verdict.UNKNOWN, what=f"it was to keep its address and does not answer there ({said})")


def _named(names: Collection[str]) -> str:
    first = sorted(names)[:_NAMED_MAX]
    return ", ".join(first) + (f" and {len(names) - len(first)} more" if len(names) > len(first) else "")
