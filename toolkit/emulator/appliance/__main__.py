"""`python -m toolkit.emulator.appliance`: makes boxes, powers them on and plants faults in them."""

import argparse
import os
import sys
from pathlib import Path

from toolkit.model.errors import InputError, ReboxError


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except ReboxError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m toolkit.emulator.appliance", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    make = commands.add_parser("manufacture", help="lay the disk of a box")
    make.set_defaults(command=_manufacture)
    make.add_argument("--disk", type=Path, required=True, metavar="DIR")
    make.add_argument("--serial", required=True)
    make.add_argument("--interface", default="eth0")
    make.add_argument("--mac", required=True)
    make.add_argument("--address", action="append", default=[], help="with prefix; may be given again")
    make.add_argument(
        "--port", action="append", default=[], metavar="NAME,MAC[,ADDRESS...]", help="one more; may be given again"
    )
    make.add_argument("--shared-address", action="append", default=[], help="with prefix; :enabled switches it on")
    make.add_argument("--gateway")
    make.add_argument("--dns", action="append", default=[], help="may be given again")
    make.add_argument("--profile", choices=("factory", "in-use"), default="factory")
    make.add_argument("--base-version", default="3.3.2")
    make.add_argument("--clock-offset", type=float, default=0.0, metavar="SECONDS")
    make.add_argument("--update-server", metavar="URL")
    make.add_argument("--tuf-root", type=Path, metavar="FILE")
    make.add_argument("--ca-file", type=Path, metavar="FILE")
    make.add_argument("--site", help="the host name users reach the site by (in-use)")
    make.add_argument("--site-version", help="e.g. Bomgar-12.1.6 (in-use)")
    make.add_argument("--size-mb", type=int, default=10, help="recordings, in million bytes (in-use)")
    make.add_argument("--seed", type=int, default=1)
    make.add_argument("--active-sessions", type=int, default=0, help="in progress at the first power-on (in-use)")
    make.add_argument("--certificate", type=Path, metavar="FILE", help="PEM: leaf and chain")
    make.add_argument("--key", type=Path, metavar="FILE", help="PEM, not encrypted")
    make.add_argument("--api-account", action="append", default=[], metavar="ID:FILE", help="FILE holds the secret")
    make.add_argument("--admin-password-file", type=Path, metavar="FILE")
    power = commands.add_parser("run", help="power a box on, in this network namespace")
    power.set_defaults(command=_run)
    power.add_argument("--disk", type=Path, required=True, metavar="DIR")
    power.add_argument("--console", type=Path, required=True, metavar="FILE")
    power.add_argument(
        "--bind", metavar="HOST:PORT", help="change no network; the first address listens here, others at free ports"
    )
    machine = commands.add_parser("power-on", help="run the box that this machine is: data disk and seed by label")
    machine.set_defaults(command=_power_on)
    machine.add_argument("--console", type=Path, required=True, metavar="FILE")
    faults = commands.add_parser("faults", help="plant these faults and no others; none heals the box")
    faults.set_defaults(command=_plant)
    faults.add_argument("--disk", type=Path, required=True, metavar="DIR")
    faults.add_argument("names", nargs="*", metavar="NAME")
    return parser


def _manufacture(options: argparse.Namespace) -> None:
    # imported here: powering on does without it
    from toolkit.emulator.appliance.factory import manufacture, read_factory  # noqa: PLC0415

    factory = read_factory(
        {
            "serial_number": options.serial,
            "interface": options.interface,
            "mac": options.mac,
            "addresses": options.address,
            "shared_addresses": [_shared(text) for text in options.shared_address],
            "more_ports": [_port(text) for text in options.port],
            "gateway": options.gateway,
            "dns_servers": options.dns,
            "profile": options.profile,
            "base_version": options.base_version,
            "clock_offset_seconds": options.clock_offset,
            "update_server": options.update_server,
            "tuf_root": _content(options.tuf_root),
            "ca": _content(options.ca_file),
            "site": options.site,
            "site_version": options.site_version,
            "size_mb": options.size_mb,
            "seed": options.seed,
            "active_sessions": options.active_sessions,
            "certificate": _content(options.certificate),
            "key": _content(options.key),
            "admin_password": _secret(options.admin_password_file),
            "api_accounts": dict(_api_account(text) for text in options.api_account),
        }
    )
    manufacture(options.disk, factory)


def _run(options: argparse.Namespace) -> None:
    # imported here: the web framework takes most of the start
    from toolkit.emulator.appliance.listeners import Loopback  # noqa: PLC0415
    from toolkit.emulator.appliance.server import run  # noqa: PLC0415

    os.umask(0o077)
    loopback = None
    if options.bind is not None:
        host, _, port = options.bind.rpartition(":")
        if not host or not port.isdigit():
            raise InputError("--bind is not HOST:PORT", where=options.bind, next_move="Write it like 127.0.0.1:0.")
        loopback = Loopback(host.strip("[]"), int(port))
    run(options.disk, options.console, loopback)


def _power_on(options: argparse.Namespace) -> None:
    # imported here: a box that is a process does without it
    from toolkit.emulator.appliance.machine.power_on import prepare, say  # noqa: PLC0415
    from toolkit.emulator.appliance.machine.systemd import end_machine, tell_ready  # noqa: PLC0415

    os.umask(0o077)
    try:
        disk = prepare(tell_ready)
        from toolkit.emulator.appliance.server import run  # noqa: PLC0415  (as above)

        run(disk, options.console, None, ready=tell_ready, end=end_machine)
    except ReboxError as error:
        say(options.console, error)
        raise


def _plant(options: argparse.Namespace) -> None:
    from toolkit.emulator.appliance.disk import Disk  # noqa: PLC0415
    from toolkit.emulator.appliance.faults import Faults  # noqa: PLC0415

    Faults(Disk(options.disk)).plant(*options.names)


def _shared(text: str) -> dict[str, object]:
    address, enabled = text.removesuffix(":enabled"), text.endswith(":enabled")
    return {"address": address, "enabled": enabled}


def _port(text: str) -> dict[str, object]:
    name, mac, *addresses = [*text.split(","), ""] if "," not in text else text.split(",")
    return {"name": name, "mac": mac, "addresses": addresses}


def _api_account(text: str) -> tuple[str, str]:
    name, _, path = text.partition(":")
    return name, _secret(Path(path)) or ""


def _secret(path: Path | None) -> str | None:
    """The first line of a file."""
    content = _content(path)
    return None if content is None else content.decode().partition("\n")[0]


def _content(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            "a file cannot be read", where=str(path), why=error.strerror or "", next_move="Check its path and mode."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
