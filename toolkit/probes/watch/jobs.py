"""What a watch has to do, as jobs: which worker, what it writes, and what it has to open before anything runs."""

from collections.abc import Callable
from dataclasses import dataclass

from toolkit.probes.echo_socket import EchoSocket
from toolkit.probes.sockets import parse_address
from toolkit.probes.watch.icmp import watch_icmp
from toolkit.probes.watch.settings import WatchSettings
from toolkit.probes.watch.tcp import watch_tcp
from toolkit.probes.watch.worker import Worker

CAPTURE, OWNERS, CERTIFICATES, ADDRESSES, HELD, CLOCK = (
    "capture.pcapng",
    "owners.jsonl",
    "certificates.jsonl",
    "addresses.jsonl",
    "held.jsonl",
    "clock.jsonl",
)


@dataclass(frozen=True)
class Job:
    """One worker to start: its name, its two files, what it does, and whether it has to be prompt.

    `further` are files that it writes besides, by `Worker.channels`.
    """

    name: str
    data: str | None
    lines: str | None
    work: Callable[[Worker], None]
    prompt: bool = False
    further: tuple[str, ...] = ()


def plan_jobs(settings: WatchSettings) -> list[Job]:
    """The methods; opens what needs rights first, so that a refusal is told before anything runs."""
    jobs: list[Job] = []
    if settings.icmp_interval_ms is not None:
        probe = EchoSocket(parse_address(settings.address))
        jobs.append(Job("icmp", "icmp.samples", None, lambda worker: watch_icmp(worker, probe), prompt=True))
    if settings.tcp_port is not None:
        jobs.append(Job("tcp", "tcp.samples", None, watch_tcp, prompt=True))
    if settings.https_name is not None:
        jobs += _https_jobs()
    return jobs


# what a job needs is imported only when it is asked for: a watch is to run soon after it was started


def _https_jobs() -> list[Job]:
    from toolkit.probes.watch.held import hold_connection  # noqa: PLC0415
    from toolkit.probes.watch.https import CertificateLog, HttpsWatch  # noqa: PLC0415

    return [
        Job(
            "https",
            "https.samples",
            CERTIFICATES,
            lambda worker: HttpsWatch(worker, CertificateLog(worker)).run(),
        ),
        Job("held", None, HELD, hold_connection),
    ]


def capture_job(interface: str) -> Job:
    """The look at the link; raises PermissionDeniedError, InputError."""
    from toolkit.probes.watch.capture import CaptureWatch, open_capture  # noqa: PLC0415

    link = open_capture(interface)
    return Job("capture", CAPTURE, OWNERS, lambda worker: CaptureWatch(worker, link, interface).run())


def resolver_job() -> Job:
    """Follows the name as users do."""
    from toolkit.probes.watch.resolve import watch_name  # noqa: PLC0415

    return Job("resolver", None, ADDRESSES, watch_name)
