"""The watches of a run: one for every address and every place it is watched from, started, found again, ended."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from toolkit.appliances.world import World
from toolkit.model.errors import InputError, ReboxError, UnreachableError
from toolkit.model.execution import StepContext
from toolkit.model.inventory import DnsSwing, Inventory
from toolkit.probes.watch import LocalVantagePoint, VantagePoint, Watch, WatchRequest
from toolkit.storage.errors import storage_error
from toolkit.traffic.site import site_addresses

FOLDER = "watch"
_CAPTURE = "capture.pcapng"
_STARTED = "started.json"
_DAY_SECONDS = 86_400.0
_PROOF_SECONDS = 5.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Wanted:
    """One watch that a run wants to have."""

    place: VantagePoint
    request: WatchRequest

    @property
    def key(self) -> tuple[str, str]:
        """By which it is found again: from where, and what."""
        return (self.place.name, self.request.address)

    @property
    def words(self) -> str:
        """For people: the address, and from where where that is not here."""
        return f"{self.request.address} from {self.place.name}" if self.place.name else self.request.address


def places(world: World) -> tuple[VantagePoint, ...]:
    """This machine, and those of the inventory."""
    return (LocalVantagePoint(), *world.vantage_points)


def wanted(context: StepContext) -> list[Wanted]:
    """Every watch of the run. From here all addresses are watched, from elsewhere the one that users are sent to."""
    inventory: Inventory = context.world.inventory
    requests = _requests(inventory, _seconds_max(context))
    here, *others = places(context.world)
    return [
        *(Wanted(here, request) for request in requests),
        *(Wanted(place, _elsewhere(requests[0], inventory, place.name)) for place in others),
    ]


def _elsewhere(request: WatchRequest, inventory: Inventory, name: str) -> WatchRequest:
    """The same watch from another place, at the pace that is set for it; frames are looked at from here alone."""
    pace: dict[str, object] = {}
    for place in inventory.watch.vantage_points:
        if place.name == name:
            paces = {
                "icmp_interval_ms": place.interval_ms,
                "tcp_interval_ms": place.tcp_interval_ms,
                "https_interval_ms": place.https_interval_ms,
            }
            pace = {field: value for field, value in paces.items() if value is not None}
    return request.model_copy(update={"capture": False, "vantage_point": name, **pace})


def _seconds_max(context: StepContext) -> float:
    """The inventory's limit, or one that outlasts the run: a day, or twice what the plan expects, if that is longer."""
    limit: float | None = context.world.inventory.watch.seconds_max
    if limit is not None:
        return limit
    expected = sum(step.expected_seconds for step in context.plan.steps)
    return min(max(_DAY_SECONDS, 2 * expected), 7 * _DAY_SECONDS)


def _requests(inventory: Inventory, seconds_max: float) -> list[WatchRequest]:
    """One watch per address; the first one also connects and asks for pages, the others only ping."""
    watch, swing = inventory.watch, inventory.swing
    follow = {"resolver": swing.resolvers[0]} if isinstance(swing, DnsSwing) else {}
    # a name that leads nowhere just now is watched where it led
    led = site_addresses(inventory) if isinstance(swing, DnsSwing) else ()
    first, *others = led or inventory.site.addresses
    limits = {"icmp_interval_ms": watch.interval_ms, "max_seconds": seconds_max}
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


def folders(run_directory: Path) -> list[Path]:
    """The folders of all watches of a run that have begun, in the order in which they began."""
    folder = run_directory / FOLDER
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in there if (path / _STARTED).exists()]


def running(run_directory: Path) -> list[Watch]:
    """Those that watch at this moment."""
    watches = [Watch.adopt(folder) for folder in folders(run_directory)]
    return [watch for watch in watches if watch.running]


def keys_running(run_directory: Path) -> set[tuple[str, str]]:
    """From where and what is watched at this moment, as `Wanted.key`."""
    requests = [watch.result().request for watch in running(run_directory)]
    return {(request.vantage_point, request.address) for request in requests}


def stop_all(run_directory: Path) -> None:
    """Ends the watches side by side: each waits for the answers that are still on their way."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(Watch.stop, running(run_directory)))


def ensure(context: StepContext, *, prove: bool = True) -> tuple[str, ...]:
    """Starts every watch that does not run, and proves that each is answered; returns what was left out, in words.

    Raises UnreachableError when nobody answers, naming address, method and place, and what `VantagePoint.start` raises;
    what was started in vain has ended then.
    """
    known = {
        (one.request.vantage_point, one.request.address) for one in map(Watch.result, running(context.run_directory))
    }
    missing = [one for one in wanted(context) if one.key not in known]
    begun = len(list((context.run_directory / FOLDER).glob("*")))
    # side by side: each is a process that takes a second to start
    with ThreadPoolExecutor() as pool:
        started = list(pool.map(_started, missing, [_folder(context, begun + n) for n in range(len(missing))]))
    problems = [end for end in started if isinstance(end, ReboxError)]
    watches = [(one, end) for one, end in zip(missing, started, strict=True) if isinstance(end, Watch)]
    try:
        _raise_first(problems)
        return tuple(words for one, watch in watches for words in (_proved(context, one, watch) if prove else ()))
    except BaseException:
        for _, watch in watches:
            watch.stop()
        raise


def _raise_first(problems: Sequence[ReboxError]) -> None:
    if problems:
        raise problems[0]


def _folder(context: StepContext, number: int) -> Path:
    return context.run_directory / FOLDER / f"{number:02}"


def _started(one: Wanted, folder: Path) -> Watch | ReboxError:
    try:
        return one.place.start(one.request, folder)
    except ReboxError as error:
        return error


def _proved(context: StepContext, one: Wanted, watch: Watch) -> Sequence[str]:
    """Waits until every method has been answered; one whose echo alone is never answered is started without it."""
    silent = _silent(context, watch)
    if not silent:
        return ()
    if silent == ["icmp"] and len(one.request.intervals_ms) > 1:
        watch.stop()
        again = one.request.model_copy(update={"icmp_interval_ms": None})
        number = len(list((context.run_directory / FOLDER).glob("*")))
        watch = one.place.start(again, _folder(context, number))
        silent = _silent(context, watch)
        if not silent:
            return (f"icmp is left out for {one.words}: no echo is answered, though the site is well",)
        watch.stop()
    raise UnreachableError(
        "the site cannot be watched: nobody answers",
        where=one.words,
        why=f"no answer by {', '.join(silent)} within {_PROOF_SECONDS:.0f} s",
        next_move="Find out what stands between; a watch that hears nobody could not tell an outage. Then resume.",
    )


def _silent(context: StepContext, watch: Watch) -> list[str]:
    """The methods that nobody has answered, as soon as there is none, or at the end of the time."""
    deadline = context.clock.monotonic() + _PROOF_SECONDS
    while True:
        silent: list[str] = [method for method, seen in watch.result().methods.items() if not seen.answered]
        if not silent or context.clock.monotonic() > deadline:
            return silent
        context.clock.sleep(_LOOK_SECONDS)


def keep_capture(run_directory: Path) -> None:
    """Puts the captures where people look for them: the one there is, or all of them, one behind the other.

    Raises StorageError.
    """
    captures = [folder / _CAPTURE for folder in folders(run_directory) if (folder / _CAPTURE).exists()]
    path = run_directory / _CAPTURE
    try:
        if len(captures) == 1 and not path.exists():
            os.link(captures[0], path)
        elif len(captures) > 1:
            # a pcapng file may hold several sections
            part = path.with_suffix(".part")
            with part.open("wb") as whole:
                for capture in captures:
                    whole.write(capture.read_bytes())
            part.replace(path)
    except OSError as error:
        raise storage_error(path, error, then="make the report again") from error


def watch_in(run_directory: Path, name: str) -> Watch:
    """The watch of a folder's name; raises InputError when it has gone."""
    if not name.isalnum():
        raise InputError(f"{name!r} names no watch", where=str(run_directory), next_move="Start a new run.")
    return Watch.adopt(run_directory / FOLDER / name)
