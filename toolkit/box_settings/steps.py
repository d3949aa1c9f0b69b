"""What no backup holds, on its way from the old box to the new one (what the guide leaves open)."""

import json

from pydantic import JsonValue

from toolkit.appliances.trust import box
from toolkit.appliances.world import World
from toolkit.box_settings.captured import BoxSettings, capture, read_captured, write_captured
from toolkit.box_settings.carrying import Carried, as_wanted
from toolkit.box_settings.comparison import Likeness, compare
from toolkit.box_settings.guarded import change_network, take_back_noted
from toolkit.box_settings.looks import CAPTURED, view_of_run
from toolkit.box_settings.proposal import write_map
from toolkit.model.execution import Outcome, ReadOnlyStep, Result, StepContext, together, witness
from toolkit.model.verdict import Verdict
from toolkit.probes.tls import observe
from toolkit.storage.whole_file import write_whole

_BEFORE, _NOTE = "box-settings-new-before.json", "network-change.json"
_MAP, _COMPARISON = "interface-map.toml", "box-settings-comparison.json"
_THEN = "resume; the box is as it was"


class CaptureBoxSettings(ReadOnlyStep):
    """Writes down what the old box itself is set to."""

    def act(self, context: StepContext) -> Result:
        """The box is only read; no password, secret or key is among what it tells."""
        captured = capture(box(context, "old"), context.clock.now())
        write_captured(context.run_directory / CAPTURED, captured)
        return {"file": CAPTURED, **_counts(captured)}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """The file, read back, against the box, asked anew."""
        kept, now = read_captured(context.run_directory / CAPTURED), capture(box(context, "old"), context.clock.now())
        same = _steady(kept) == _steady(now)
        return witness(
            context,
            probe="api",
            subject=f"old ({context.world.old.address})",
            summary=f"What the old box itself is set to is in {CAPTURED}, as the box says it."
            if same
            else f"The old box says otherwise than {CAPTURED}: somebody changes it meanwhile.",
            passed=same,
            data=_counts(kept),
        )


class CarryBoxSettings:
    """Sets the new box to what the old one is set to, as the table of interfaces says."""

    def look(self, context: StepContext) -> Result | None:
        """Done when the new box is set so, and no change of ours may still be undone by the box."""
        if (context.run_directory / _NOTE).exists():
            return None
        view = view_of_run(context)
        return {"changed": []} if as_wanted(view.new) == view.carried else None

    def act(self, context: StepContext) -> Result:
        """The network first, by a change that the box undoes unless it is reached anew; then TLS."""
        view, before = view_of_run(context), context.run_directory / _BEFORE
        if not before.exists():
            write_captured(before, view.new, replace=False)
        write_whole(context.run_directory / _MAP, write_map(view.table, view.old, view.new).encode(), then=_THEN)
        set_new_box(context, view.carried)
        return {"changed": _changed(as_wanted(read_captured(before)), view.carried)}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Read back setting by setting and compared with the old box; reached and spoken to from the network."""
        view = view_of_run(context)
        rows = compare(view.old, view.new, view.table, view.carried)
        content: list[JsonValue] = [row._asdict() for row in rows]
        write_whole(context.run_directory / _COMPARISON, json.dumps(content, indent=1).encode(), then=_THEN)
        passed = as_wanted(view.new) == view.carried
        summary = (
            "The new box is set as it is meant to be." if passed else "The new box is not set as it is meant to be."
        )
        different = "; ".join(f"{row.setting}: {row.why}" for row in rows if row.likeness is Likeness.DIFFERENT)
        told = witness(
            context,
            probe="api",
            subject=f"new ({context.world.new.address})",
            summary=f"{summary} To look at: {different}." if different else summary,
            passed=passed,
            data={"comparison": content},
        )
        return together(told, _witness_spoken(context, view.carried))

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """The new box gets back what it had, by a change that is confirmed like the one before."""
        path, new = context.run_directory / _BEFORE, box(context, "new")
        if not path.exists():
            return Outcome(Verdict.PASSED, "Nothing of the new box's own settings was changed.")
        take_back_noted(new, context.run_directory / _NOTE)
        before = as_wanted(read_captured(path))
        set_new_box(context, before)
        back = as_wanted(capture(new, context.clock.now())) == before
        return witness(
            context,
            probe="api",
            subject=f"new ({new.address})",
            summary="The new box is set as it was before." if back else "The new box is not set as it was before.",
            passed=back,
        )


def set_new_box(context: StepContext, wanted: Carried) -> None:
    """Has the new box set so: its network by a change that it undoes unless it is reached anew, then its TLS."""
    world: World = context.world
    new, note = box(context, "new"), context.run_directory / _NOTE
    seconds = world.inventory.box_settings.confirm_within_seconds
    if note.exists() or as_wanted(capture(new, context.clock.now())).network != wanted.network:
        context.progress(0.1, "changing the network settings, until they are confirmed")
        change_network(new, wanted.network, seconds, context.clock, note=note)
    if new.tls_settings() != wanted.tls:
        new.set_tls_settings(wanted.tls)
    context.progress(1.0, "set")


def _witness_spoken(context: StepContext, wanted: Carried) -> Outcome:
    """Two handshakes with the box's own address, over connections of their own: what it takes, and what it must not."""
    world: World = context.world
    address, port = world.new.address, world.inventory.new.port
    newer = observe(address, port, verify=False, version="1.3")
    older = observe(address, port, verify=False, version="1.2")
    older_wanted = wanted.tls.minimum_version == "TLSv1.2"
    passed = newer.handshake and older.handshake == older_wanted
    takes = " and ".join(seen.version or "" for seen in (older, newer) if seen.handshake)
    return witness(
        context,
        probe="tls",
        subject=f"new ({address})",
        summary=f"It is reached anew at {address}, and takes {takes}."
        if newer.handshake
        else f"It is not reached at {address}: {newer.problem}.",
        passed=passed,
        data={"served_sha256": newer.sha256, "takes": takes, "minimum_version": wanted.tls.minimum_version},
    )


def _changed(before: Carried, after: Carried) -> list[JsonValue]:
    """The names of the settings that differ."""
    old, new = before.network.model_dump(), after.network.model_dump()
    names: list[JsonValue] = [name for name in old if old[name] != new[name]]
    return names + (["tls"] if before.tls != after.tls else [])


def _counts(settings: BoxSettings) -> Result:
    network = settings.network
    return {
        "interfaces": len(network.interfaces),
        "addresses": len(network.addresses),
        "routes": len(network.routes),
        "servers": len(network.dns_servers) + len(network.ntp_servers),
        "accounts": len(settings.accounts.admins) + len(settings.accounts.api_accounts),
        "clock_offset_seconds": settings.clock_offset_seconds,
    }


def _steady(settings: BoxSettings) -> BoxSettings:
    """Without what changes by itself: clocks and links."""
    ports = tuple(port.model_copy(update={"link": True, "speed_mbps": None}) for port in settings.network.interfaces)
    network = settings.network.model_copy(update={"interfaces": ports})
    steady = {"captured": 0, "clock_offset_seconds": 0.0, "network": network}
    return settings.model_copy(update=steady)
