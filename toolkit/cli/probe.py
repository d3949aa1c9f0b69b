"""`rebox probe`: ask any network who answers, how fast and with what, and watch an address continuously."""

import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from toolkit.cli.output import JsonOption, emit_json, end, err, out, progress_bar, result_table
from toolkit.model.errors import InputError
from toolkit.model.verdict import Verdict
from toolkit.probes.results import ProbeResult
from toolkit.probes.sockets import resolve_target
from toolkit.storage.given_file import read_given

if TYPE_CHECKING:
    from toolkit.probes.observing import TlsVersion
    from toolkit.probes.path import PathMethod
    from toolkit.probes.watch import Watch, WatchRequest, WatchResult

_ANCHORS_BYTES_MAX = 16 << 20
"""More than any collection of authorities; a device would never end."""

app = typer.Typer(
    help="Packets: who answers, how fast, with what. Exit status: 0 passed, 1 failed, 2 wrong input, 4 unknown.",
    rich_markup_mode=None,
    no_args_is_help=True,
)

Target = Annotated[str, typer.Argument(metavar="ADDRESS", help="An IPv4 or IPv6 address, or a name.")]
Port = Annotated[int, typer.Option("--port", min=1, max=65535)]
Timeout = Annotated[float, typer.Option("--timeout", min=0.01, max=600, help="Seconds to wait for an answer.")]
Interface = Annotated[str | None, typer.Option("--interface", help="The link to ask; default: where the route leads.")]
ServerName = Annotated[str | None, typer.Option("--name", help="The name to ask for (SNI and Host).")]

_MARKS = {
    Verdict.PASSED: "[green]passed[/green]",
    Verdict.FAILED: "[red]failed[/red]",
    Verdict.UNKNOWN: "[yellow]unknown[/yellow]",
    Verdict.SKIPPED: "skipped",
}


def _tell(
    result: ProbeResult,
    as_json: bool,
    *,
    columns: Sequence[str] = (),
    rows: Iterable[Sequence[object]] = (),
) -> NoReturn:
    """Prints a result, for a program or for people, and ends with its exit status."""
    if as_json:
        emit_json(result)
    else:
        cells = list(rows)
        if cells:
            result_table("", columns, cells)
        out.print(f"{_MARKS[result.verdict]}  ", end="")
        out.print(result.summary, markup=False)
    end(result.verdict)


@app.command()
def arp(
    address: Target,
    interface: Interface = None,
    wait: Annotated[
        float, typer.Option("--wait", min=0.05, max=60, help="Seconds to listen for a second owner.")
    ] = 1.0,
    json: JsonOption = False,
) -> None:
    """Ask the link who owns an address (ARP, or IPv6 neighbour discovery); several owners are a failure."""
    from toolkit.probes.owner import find_owners  # noqa: PLC0415 - each probe is imported when it is asked for

    result = find_owners(resolve_target(address), interface, wait_s=wait)
    rows = [(owner.mac, owner.answers, f"{owner.first_ms:.2f}") for owner in result.owners]
    _tell(result, json, columns=("mac", "answers", "first after ms"), rows=rows)


@app.command()
def duplicate(
    address: Target,
    interface: Annotated[str, typer.Option("--interface", help="The link on which the address is to be taken.")],
    allowed: Annotated[
        list[str] | None, typer.Option("--allow", metavar="MAC", help="A MAC that may hold it, e.g. the old box's.")
    ] = None,
    wait: Annotated[float, typer.Option("--wait", min=0.05, max=60, help="Seconds to listen.")] = 1.0,
    json: JsonOption = False,
) -> None:
    """Check that nobody holds an address before it is taken (RFC 5227, RFC 4862); changes nobody's table."""
    from toolkit.probes.owner import check_duplicate  # noqa: PLC0415

    result = check_duplicate(resolve_target(address), interface, allowed=allowed or (), wait_s=wait)
    rows = [(holder.mac, holder.answers, f"{holder.first_ms:.2f}") for holder in result.holders]
    _tell(result, json, columns=("mac", "answers", "first after ms"), rows=rows)


@app.command()
def icmp(
    address: Target,
    count: Annotated[int, typer.Option("--count", min=1, max=100_000)] = 3,
    interval: Annotated[float, typer.Option("--interval", min=0, max=60, help="Seconds between requests.")] = 0.2,
    timeout: Timeout = 1.0,
    json: JsonOption = False,
) -> None:
    """Send ICMP or ICMPv6 echo requests."""
    from toolkit.probes.echo import echo  # noqa: PLC0415

    _tell(echo(resolve_target(address), count=count, interval_s=interval, timeout_s=timeout), json)


@app.command()
def tcp(
    address: Target,
    port: Annotated[int, typer.Argument(min=1, max=65535)],
    timeout: Timeout = 2.0,
    json: JsonOption = False,
) -> None:
    """Connect to a TCP port and hang up; needs no rights."""
    from toolkit.probes.tcp import connect  # noqa: PLC0415

    _tell(connect(resolve_target(address), port, timeout_s=timeout), json)


@app.command()
def tls(
    address: Target,
    *,
    port: Port = 443,
    name: ServerName = None,
    anchors: Annotated[
        list[Path] | None,
        typer.Option("--anchors", metavar="FILE", help="Certificates to trust; default: the system's."),
    ] = None,
    version: Annotated[str | None, typer.Option("--tls", metavar="1.2|1.3", help="Speak this version only.")] = None,
    timeout: Timeout = 5.0,
    json: JsonOption = False,
) -> None:
    """Look at the certificate chain that is served, and whether it is valid; a bad one is reported, never an error."""
    from toolkit.probes.tls import observe  # noqa: PLC0415

    result = observe(
        resolve_target(address),
        port,
        server_name=name or _name_in(address),
        anchors=None if anchors is None else [read_given(path, bytes_max=_ANCHORS_BYTES_MAX) for path in anchors],
        version=_tls_version(version),
        timeout_s=timeout,
    )
    rows = [
        (entry.subject, ", ".join(entry.names), f"{entry.not_after:%Y-%m-%d}", entry.sha256[:16])
        for entry in result.chain
    ]
    _tell(result, json, columns=("subject", "names", "until", "sha256"), rows=rows)


@app.command()
def https(
    address: Target,
    *,
    port: Port = 443,
    name: ServerName = None,
    path: Annotated[str, typer.Option("--path")] = "/check_health",
    timeout: Timeout = 5.0,
    json: JsonOption = False,
) -> None:
    """Ask for a page over a new TLS connection: status and certificate."""
    from toolkit.probes.https import get_health  # noqa: PLC0415

    if not path.startswith("/"):
        raise InputError(f"{path!r} is no path", next_move="A path begins with a slash.")
    server_name = name or _name_in(address)
    _tell(get_health(resolve_target(address), port, server_name=server_name, path=path, timeout_s=timeout), json)


@app.command()
def dns(
    name: Annotated[str, typer.Argument(help="The name to ask for.")],
    *,
    server: Annotated[str, typer.Option("--server", help="The DNS server to ask, and nobody else.")],
    record_type: Annotated[str, typer.Option("--type", help="A, AAAA, SOA (with its serial), TXT …")] = "A",
    port: Port = 53,
    timeout: Timeout = 2.0,
    json: JsonOption = False,
) -> None:
    """Ask one DNS server: records, time to live, serial."""
    from toolkit.probes.dns import ask  # noqa: PLC0415

    result = ask(name, resolve_target(server), record_type, port=port, timeout_s=timeout)
    _tell(result, json, columns=("record", "ttl"), rows=[(answer, result.ttl) for answer in result.answers])


@app.command("path")
def path_command(
    address: Target,
    method: Annotated[str, typer.Option("--method", metavar="udp|icmp", help="udp needs no rights.")] = "udp",
    hops: Annotated[int, typer.Option("--hops", min=1, max=255, help="Give up after so many routers.")] = 30,
    timeout: Timeout = 0.5,
    json: JsonOption = False,
) -> None:
    """Follow the path to an address, router by router."""
    from toolkit.probes.path import trace  # noqa: PLC0415

    result = trace(resolve_target(address), method=_path_method(method), hops_max=hops, timeout_s=timeout)
    rows = [(hop.hops, hop.address or "*", "" if hop.rtt_ms is None else f"{hop.rtt_ms:.2f}") for hop in result.hops]
    _tell(result, json, columns=("hop", "address", "ms"), rows=rows)


@app.command()
def mtu(
    address: Target,
    ceiling: Annotated[int | None, typer.Option("--ceiling", min=68, max=65535, help="Search no higher.")] = None,
    timeout: Timeout = 0.5,
    json: JsonOption = False,
) -> None:
    """Find the largest packet that passes the path whole, and who limits it."""
    from toolkit.probes.mtu import discover  # noqa: PLC0415

    _tell(discover(resolve_target(address), ceiling=ceiling, timeout_s=timeout), json)


@app.command()
def sweep(
    targets: Annotated[list[str], typer.Argument(metavar="ADDRESS|NETWORK...", help="Hosts and networks.")],
    timeout: Timeout = 0.5,
    retries: Annotated[int, typer.Option("--retries", min=0, max=20)] = 1,
    json: JsonOption = False,
) -> None:
    """Find out which of many hosts answer an echo request.

    Hosts listed one by one must all answer, of a network at least one.
    """
    from toolkit.probes.sweep import hosts_listed, hosts_of, sweep_hosts  # noqa: PLC0415

    with progress_bar("sweep") as progress:
        result = sweep_hosts(
            hosts_of(targets),
            must_answer=hosts_listed(targets),
            timeout_s=timeout,
            retries=retries,
            progress=progress,
        )
    _tell(result, json, columns=("answers",), rows=[(address,) for address in result.answered])


@app.command()
def ports(
    targets: Annotated[list[str], typer.Argument(metavar="ADDRESS|NETWORK...", help="Hosts and networks.")],
    wanted: Annotated[str, typer.Option("--ports", metavar="LIST", help='Like "22,80,443,8000-8100".')] = "1-1024",
    timeout: Timeout = 0.5,
    retries: Annotated[int, typer.Option("--retries", min=0, max=20)] = 2,
    json: JsonOption = False,
) -> None:
    """Find out which TCP ports are open, by half-open connections (SYN)."""
    from toolkit.probes.ports import ports_of, sweep_ports  # noqa: PLC0415
    from toolkit.probes.sweep import hosts_of  # noqa: PLC0415

    with progress_bar("ports") as progress:
        result = sweep_ports(hosts_of(targets), ports_of(wanted), timeout_s=timeout, retries=retries, progress=progress)
    rows = [
        (host.address, " ".join(map(str, host.open)), len(host.closed), len(host.filtered)) for host in result.hosts
    ]
    _tell(result, json, columns=("host", "open", "closed", "silent"), rows=rows)


@app.command()
def watch(
    address: Target,
    *,
    output: Annotated[Path, typer.Option("--output", help="A new folder for samples, capture and summary.")],
    interval_ms: Annotated[float, typer.Option("--interval-ms", help="ICMP; 0 leaves it out.")] = 1.0,
    tcp_port: Annotated[int | None, typer.Option("--tcp-port", help="Connect to this port as well.")] = None,
    tcp_interval_ms: Annotated[float, typer.Option("--tcp-interval-ms")] = 10.0,
    https_name: Annotated[str | None, typer.Option("--https-name", help="Ask this site by HTTPS as well.")] = None,
    https_port: Annotated[int, typer.Option("--https-port")] = 443,
    https_path: Annotated[str, typer.Option("--https-path")] = "/check_health",
    https_interval_ms: Annotated[float, typer.Option("--https-interval-ms")] = 100.0,
    timeout_ms: Annotated[float, typer.Option("--timeout-ms", help="An answer later than this is a loss.")] = 1000.0,
    max_seconds: Annotated[float, typer.Option("--max-seconds", help="End by itself after this.")] = 3600.0,
    interface: Interface = None,
    capture: Annotated[bool, typer.Option("--capture/--no-capture", help="Owners by MAC, and a pcapng file.")] = True,
    capture_megabytes: Annotated[int, typer.Option("--capture-megabytes", min=1, max=16384)] = 64,
    until_removed: Annotated[
        Path | None, typer.Option("--until-removed", help="End when this file is gone, e.g. a PID file.")
    ] = None,
    resolver: Annotated[
        str | None, typer.Option("--resolver", help="Follow --https-name as this DNS server answers it (DNS swing).")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Leave it running; end it with `watch-stop`.")] = False,
    json: JsonOption = False,
) -> None:
    """Watch an address continuously, also across a swing: losses, gaps, and who owned it by MAC.

    Runs in a process of its own that outlives this one; Ctrl-C ends both. Passed when nothing was lost.
    """
    from toolkit.probes.watch import Watch  # noqa: PLC0415

    request = _watch_request(
        address=resolve_target(address),
        icmp_interval_ms=interval_ms or None,
        tcp_port=tcp_port,
        tcp_interval_ms=tcp_interval_ms,
        https_name=https_name,
        https_port=https_port,
        https_path=https_path,
        https_interval_ms=https_interval_ms,
        timeout_ms=timeout_ms,
        max_seconds=max_seconds,
        interface=interface,
        capture=capture,
        capture_bytes_max=capture_megabytes * 2**20,
        until_removed=None if until_removed is None else until_removed.absolute(),
        resolver=resolver,
    )
    running = Watch.start(request, output)
    if detach:
        if json:
            emit_json({"directory": str(running.directory), "pid": running.pid})
        else:
            out.print(f"Watching {request.address}; end it with: rebox probe watch-stop {output}", markup=False)
        return
    if not json:
        err.print(f"Watching {request.address}; Ctrl-C ends it.", markup=False)
    _tell_watch(_follow(running), json)


@app.command("watch-stop")
def watch_stop(
    directory: Annotated[Path, typer.Argument(help="The folder the watch was started with.")], json: JsonOption = False
) -> None:
    """End a watch that runs in this folder, whoever started it, and print what it saw."""
    from toolkit.probes.watch import Watch  # noqa: PLC0415

    _tell_watch(Watch.adopt(directory).stop(), json)


@app.command("watch-show")
def watch_show(
    directory: Annotated[Path, typer.Argument(help="The folder the watch was started with.")], json: JsonOption = False
) -> None:
    """Print what a watch has seen so far; leaves it running."""
    from toolkit.probes.watch import Watch  # noqa: PLC0415

    _tell_watch(Watch.adopt(directory).result(), json)


def _follow(running: "Watch") -> "WatchResult":
    """Waits until the watch ends, or ends it on Ctrl-C or SIGTERM."""
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        while running.running and not asked:
            time.sleep(0.1)
        return running.stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell_watch(result: "WatchResult", as_json: bool) -> NoReturn:
    if as_json:
        emit_json(result)
    else:
        rows = [
            (
                method,
                seen.sent,
                seen.lost,
                seen.late,
                f"{seen.gap_ms_max:.1f}",
                f"{seen.own_gap_ms_max:.1f}",
                f"{seen.rate_percent:.1f} %",
            )
            for method, seen in result.methods.items()
        ]
        result_table(
            f"{result.request.address}, {result.seconds:.1f} s, {result.ended}",
            ("method", "sent", "lost", "late", "longest gap ms", "own pause ms", "rate"),
            rows,
        )
        if result.owners:
            result_table("Owners", ("from ms", "mac"), [(f"{seen.at_ms:.1f}", seen.mac) for seen in result.owners])
        if result.certificates:
            result_table(
                "Certificates",
                ("from ms", "sha256", "status"),
                [(f"{seen.at_ms:.1f}", seen.sha256, seen.status) for seen in result.certificates],
            )
        for problem in result.problems:
            out.print(problem, style="yellow", markup=False)
        if result.capture is not None:
            out.print(f"Capture: {result.capture}", markup=False)
    end(_verdict_of(result))


def _verdict_of(result: "WatchResult") -> Verdict:
    seen = result.methods.values()
    if result.problems or not any(method.answered + method.lost for method in seen):
        return Verdict.UNKNOWN
    return Verdict.FAILED if any(method.lost for method in seen) else Verdict.PASSED


def _watch_request(**values: object) -> "WatchRequest":
    from pydantic import ValidationError  # noqa: PLC0415

    from toolkit.probes.watch import WatchRequest  # noqa: PLC0415

    try:
        return WatchRequest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + "-".join(str(part).replace("_", "-") for part in first["loc"]) if first["loc"] else ""
        raise InputError("the watch cannot be done like this", where=option, why=str(first["msg"])) from error


def _name_in(text: str) -> str | None:
    """What was given as a target is the name to ask for, unless it is an address."""
    return None if resolve_target(text) == text else text


def _tls_version(text: str | None) -> "TlsVersion | None":
    if text is None or text in {"1.2", "1.3"}:
        return text  # type: ignore[return-value]
    raise InputError(f"{text!r} is no TLS version that can be asked for", next_move="Give 1.2 or 1.3.")


def _path_method(text: str) -> "PathMethod":
    if text == "udp":
        return "udp"
    if text == "icmp":
        return "icmp"
    raise InputError(f"{text!r} is no way to follow a path", next_move="Give udp or icmp.")
