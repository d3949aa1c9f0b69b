"""Where `rebox cert` gets certificates from: a file, a live TLS server or a box."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from toolkit.appliances.protocol import Certified
from toolkit.certificates.bundle import Bundle, Material
from toolkit.certificates.chain import arrange, with_key
from toolkit.certificates.errors import PassphraseError, PassphraseRequiredError
from toolkit.certificates.files import anchors_from_file, read_content, system_anchors
from toolkit.certificates.parsing import load_chain, parse
from toolkit.certificates.served import Endpoint, fetch, parse_endpoint
from toolkit.certificates.trust import Anchors
from toolkit.model.errors import CertificateError, InputError, UnknownStateError, UnreachableError
from toolkit.secrets import resolve


class Role(StrEnum):
    """Which box of an inventory."""

    OLD = "old"
    NEW = "new"


def open_source(
    source: str | None, name: str | None, key: Path | None, passphrase: str | None
) -> tuple[Bundle, Endpoint | None]:
    """What is in a file or served at an address; the endpoint says which it was."""
    if source is None:
        raise InputError(
            "there is nothing to look at", next_move="Give a file or HOST[:PORT], or --inventory and --box."
        )
    path = Path(source)
    if path.exists() or path.suffix.lower() in _FILE_SUFFIXES or "/" in source:
        return open_file(path, key, passphrase), None
    endpoint = parse_endpoint(source)
    served = fetch(endpoint, server_name=name or _sni(endpoint.host))
    bundle = arrange(load_chain(served.chain, where=str(endpoint)), where=str(endpoint))
    return (bundle if key is None else _with_key(bundle, key, passphrase)), endpoint


_FILE_SUFFIXES = {".pem", ".crt", ".cer", ".der", ".key", ".p7b", ".p7c", ".p12", ".pfx"}


def _sni(host: str) -> str | None:
    # an address is no server name (RFC 6066)
    return None if ":" in host or host.replace(".", "").isdigit() else host


def open_file(path: Path, key: Path | None, passphrase: str | None) -> Bundle:
    """What is in a file, with the key of another one if that is given; raises InputError and PassphraseError."""
    with wrong_input():
        bundle = arrange(_material(path, passphrase), where=str(path))
    return bundle if key is None else _with_key(bundle, key, passphrase)


def _with_key(bundle: Bundle, key: Path, passphrase: str | None) -> Bundle:
    with wrong_input():
        return with_key(bundle, _material(key, passphrase))


@contextmanager
def wrong_input() -> Iterator[None]:
    """A file that a person gave and that is not what it must be is wrong input, not a check that failed."""
    try:
        yield
    except PassphraseError:
        raise  # says so itself, by a code of its own
    except CertificateError as error:
        raise InputError(error.what, where=error.where, why=error.why, next_move=error.next_move) from None


@contextmanager
def unknown_when_unreachable() -> Iterator[None]:
    """Where nobody answers nothing was verified, which is neither passed nor failed."""
    try:
        yield
    except UnreachableError as error:
        raise UnknownStateError(error.what, where=error.where, why=error.why, next_move=error.next_move) from None


def _material(path: Path, passphrase: str | None) -> Material:
    content = read_content(path)
    if passphrase is not None:
        return parse(content, resolve(passphrase, f"the passphrase of {path}"), where=str(path))
    try:
        return parse(content, where=str(path))
    except PassphraseRequiredError:
        if not sys.stdin.isatty():
            raise
    return parse(content, resolve("prompt", f"the passphrase of {path}"), where=str(path))


def trusted(ca_file: Path | None) -> Anchors | None:
    """The authorities in the file, without one this machine's; None when it knows none."""
    try:
        if ca_file is None:
            return system_anchors()
        with wrong_input():
            return anchors_from_file(ca_file)
    except UnknownStateError as error:
        if ca_file is None:
            return None
        raise InputError(
            "there is no certificate in it", where=str(ca_file), next_move="Give the authority's certificate."
        ) from error


def look_at_box(inventory: Path | None, box: Role | None) -> Certified:
    """The box, through a connection that changes nothing."""
    file, role = _named(inventory, box)
    from toolkit.wiring import look_at_box as look  # noqa: PLC0415  (drivers are slow to import)

    return look(file, role.value)


@contextmanager
def working_on_box(inventory: Path | None, box: Role | None, command: str) -> Iterator[Certified]:
    """The box, with nobody else working on it meanwhile."""
    file, role = _named(inventory, box)
    from toolkit.wiring import hold_box  # noqa: PLC0415

    with hold_box(file, role.value, f"rebox cert {command}") as (opened, _):
        yield opened


def _named(inventory: Path | None, box: Role | None) -> tuple[Path, Role]:
    if inventory is None or box is None:
        raise InputError("a box is named by two options", next_move="Give both --inventory FILE and --box old|new.")
    return inventory, box
