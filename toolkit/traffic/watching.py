"""The swing is watched from before it begins until the new box has been proven: started, found again, ended."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from toolkit.model.execution import Outcome, ReadOnlyStep, Result, StepContext, together, witness
from toolkit.model.inventory import DnsSwing, Inventory
from toolkit.model.run_report import Gap, Outage
from toolkit.model.verdict import Verdict
from toolkit.probes.watch import Watch, WatchRequest, WatchResult
from toolkit.traffic.looks import prove_site
from toolkit.traffic.site import served_by, site_addresses, view_site

_FOLDER = "watch"
_CAPTURE = "capture.pcapng"
_AFTERWARDS_SECONDS = 1.0
"""How long the watch goes on after the swing, so that a gap that is still open shows its end."""


class StartWatch:
    """Starts one watch per address of the site; each goes on even when the toolkit is killed."""

    def look(self, context: StepContext) -> Result | None:
        """Done while every watch of this run is running."""
        watches = _running(context.run_directory)
        wanted = _requests(context.world.inventory)
        return {"addresses": [request.address for request in wanted]} if len(watches) == len(wanted) else None

    def act(self, context: StepContext) -> Result:
        """Ends what half an attempt has left, then starts all of them."""
        _stop_all(context.run_directory)
        begun = len(_folders(context.run_directory))
        requests = _requests(context.world.inventory)
        folders = [context.run_directory / _FOLDER / f"{begun + number:02}" for number in range(len(requests))]
        # side by side: each is a process that takes a second to start
        with ThreadPoolExecutor() as pool:
            list(pool.map(Watch.start, requests, folders))
        return {"addresses": [request.address for request in requests]}

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """They run, and somebody answers them."""
        running = _running(context.run_directory)
        addresses = ", ".join(watch.result().request.address for watch in running)
        passed = len(running) == len(_requests(context.world.inventory))
        return witness(
            context,
            probe="watch",
            subject=addresses or context.plan.site,
            summary=f"{addresses} watched every {context.world.inventory.watch.interval_ms:g} ms."
            if passed
            else "The watch does not run.",
            passed=passed,
        )

    def undo(self, context: StepContext, result: Result | None) -> Outcome:
        """Ends the watch; what it saw stays."""
        _stop_all(context.run_directory)
        _keep_capture(context.run_directory)
        return Outcome(Verdict.PASSED, "The watch has ended; what it saw is kept.")


class ProveSite(ReadOnlyStep):
    """Users reach the new box: every way of looking must name it (requirement F6); then the watch ends."""

    def act(self, context: StepContext) -> Result:
        """Looks, lets the watch see a moment of the new life, and ends it."""
        views = view_site(context.world)
        context.clock.sleep(_AFTERWARDS_SECONDS if _running(context.run_directory) else 0.0)
        _stop_all(context.run_directory)
        _keep_capture(context.run_directory)
        served = sorted({seen.certificate_sha256 for seen in views if seen.certificate_sha256})
        owners = sorted({served_by(context, seen) or "nobody" for seen in views})
        return {
            "served_after_sha256": served[0] if len(served) == 1 else None,
            "served_by": owners[0] if len(owners) == 1 else " and ".join(owners),
        }

    def verify(self, context: StepContext, result: Result) -> Outcome:
        """Owner by MAC, certificate as before, health; and the outage, for the record."""
        before = context.results["inspect-old"].get("served_before_sha256")
        same = witness(
            context,
            probe="tls",
            subject=context.plan.site,
            summary="Users are served the certificate they were served before."
            if before == result["served_after_sha256"]
            else f"Users were served {before}, now {result['served_after_sha256']}.",
            passed=before == result["served_after_sha256"],
            data={"before": before, "after": result["served_after_sha256"]},
        )
        _record_outage(context)
        return together(prove_site(context, "new"), same)


def read_watches(run_directory: Path) -> tuple[WatchResult, ...]:
    """What the run's watches saw, the latest of each address, in the inventory's order."""
    results: dict[str, WatchResult] = {}
    for folder in _folders(run_directory):
        if (folder / "started.json").exists():
            result = Watch.adopt(folder).result()
            results[result.request.address] = result
    return tuple(results.values())


def outages(results: tuple[WatchResult, ...]) -> dict[str, Outage]:
    """By method; those of further addresses carry the address. A watch that was killed has not seen the rest."""
    found: dict[str, Outage] = {}
    for number, result in enumerate(results):
        # every watch counts from its own start; the report has one zero, that of the first
        later_ms = (result.started - results[0].started).total_seconds() * 1000.0
        for method, outage in result.outages().items():
            name = method if number == 0 else f"{method} {result.request.address}"
            blind: tuple[Gap, ...] = ()
            if result.ended in ("killed", "limit"):
                blind = (Gap(start_ms=result.seconds * 1000.0, end_ms=result.seconds * 1000.0),)
            found[name] = outage.model_copy(
                update={
                    "gaps": _shifted(outage.gaps, later_ms),
                    "unwatched": _shifted((*outage.unwatched, *blind), later_ms),
                }
            )
    return found


def _shifted(gaps: tuple[Gap, ...], by_ms: float) -> tuple[Gap, ...]:
    return tuple(Gap(start_ms=gap.start_ms + by_ms, end_ms=gap.end_ms + by_ms) for gap in gaps)


def _requests(inventory: Inventory) -> list[WatchRequest]:
    """One watch per address; the first one also connects and asks for pages, the others only ping."""
    watch, swing = inventory.watch, inventory.swing
    follow = {"resolver": swing.resolvers[0]} if isinstance(swing, DnsSwing) else {}
    first, *others = [*site_addresses(inventory)] if isinstance(swing, DnsSwing) else [*inventory.site.addresses]
    limits = {"icmp_interval_ms": watch.interval_ms, "max_seconds": watch.seconds_max}
    main = WatchRequest.model_validate(
        {
            "address": first,
            **limits,
            "tcp_port": inventory.site.port,
            "tcp_interval_ms": watch.tcp_interval_ms,
            "https_name": inventory.site.name,
            "https_port": inventory.site.port,
            "https_interval_ms": watch.https_interval_ms,
            **follow,
        }
    )
    if follow:
        # a name leads to one address of a kind at a time, and the main watch follows it
        return [main]
    return [
        main,
        *(WatchRequest.model_validate({"address": address, **limits, "capture": False}) for address in others),
    ]


def _folders(run_directory: Path) -> list[Path]:
    folder = run_directory / _FOLDER
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _running(run_directory: Path) -> list[Watch]:
    watches = [Watch.adopt(folder) for folder in _folders(run_directory) if (folder / "started.json").exists()]
    return [watch for watch in watches if watch.running]


def _stop_all(run_directory: Path) -> None:
    """Ends the watches side by side: each waits for the answers that are still on their way."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(Watch.stop, _running(run_directory)))


def _keep_capture(run_directory: Path) -> None:
    """Puts the capture where people look for it; the same file, not a copy of it."""
    captures = [folder / _CAPTURE for folder in _folders(run_directory) if (folder / _CAPTURE).exists()]
    if captures and not (run_directory / _CAPTURE).exists():
        os.link(captures[-1], run_directory / _CAPTURE)


def _record_outage(context: StepContext) -> None:
    """Writes the outage down; a long one fails nothing, because the traffic has moved: the report shows it."""
    for name, outage in outages(read_watches(context.run_directory)).items():
        witness(
            context,
            probe="watch",
            subject=context.plan.site,
            summary=f"{name}: longest gap {outage.gap_ms_max:.1f} ms, {outage.lost:,} of {outage.sent:,} lost; "
            f"the watch's own largest pause {outage.own_gap_ms_max:.1f} ms.",
            passed=None if outage.unwatched or not outage.sent else True,
            data={"gap_ms_max": outage.gap_ms_max, "lost": outage.lost, "sent": outage.sent},
        )
