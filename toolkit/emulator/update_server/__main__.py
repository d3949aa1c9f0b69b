"""The command line: `python -m toolkit.emulator.update_server make | renew | spoil | serve`."""

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from toolkit.emulator.update_server.repository import Offer, Repository, make_repository
from toolkit.emulator.update_server.spoil import WAYS
from toolkit.model.errors import ReboxError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m toolkit.emulator.update_server", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    make = commands.add_parser("make", help="make a signed repository, or publish new versions into it")
    make.add_argument("--folder", type=Path, required=True, help="where it is kept")
    make.add_argument("--url", required=True, help="where boxes find the server, e.g. https://updates.example.net")
    make.add_argument("--hostname", default="support.example.com", help="primary hostname on the site packages")
    make.add_argument("--licences", type=int, default=25, help="licence count on the site packages")
    make.add_argument("--licence-expiry", type=date.fromisoformat, default=date(2030, 12, 31), metavar="YYYY-MM-DD")
    make.add_argument("--seed", type=int, default=1, help="the same seed gives the same packages")
    make.add_argument("--package-bytes", type=int, default=3_000_000, help="size of each package's content")

    renew = commands.add_parser("renew", help="sign the current state anew, one version up")
    renew.add_argument("--folder", type=Path, required=True)

    spoil = commands.add_parser("spoil", help="make the repository wrong in one way, so that boxes must refuse it")
    spoil.add_argument("--folder", type=Path, required=True)
    spoil.add_argument("way", choices=sorted(WAYS))

    serve = commands.add_parser("serve", help="serve the repository over HTTPS until ended")
    serve.add_argument("--folder", type=Path, required=True)
    serve.add_argument("--address", required=True)
    serve.add_argument("--port", type=int, default=443)
    serve.add_argument("--certificate", type=Path, required=True, help="PEM, leaf first")
    serve.add_argument("--key", type=Path, required=True, help="PEM, unencrypted")
    return parser


def _serve(arguments: argparse.Namespace) -> None:
    # the web server is loaded only by those who serve
    from toolkit.emulator.update_server.server import serve  # noqa: PLC0415

    serve(Repository(arguments.folder), arguments.address, arguments.port, arguments.certificate, arguments.key)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    arguments = _parser().parse_args(argv)
    try:
        match arguments.command:
            case "make":
                offer = Offer(arguments.hostname, arguments.licences, arguments.licence_expiry)
                make_repository(
                    arguments.folder,
                    arguments.url,
                    offer=offer,
                    seed=arguments.seed,
                    package_bytes=arguments.package_bytes,
                )
            case "renew":
                Repository(arguments.folder).renew()
            case "spoil":
                WAYS[arguments.way](Repository(arguments.folder))
            case _:
                _serve(arguments)
    except ReboxError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
