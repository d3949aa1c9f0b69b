"""Host names and IP addresses as certificates name them: how they are written, and what covers what (RFC 9525)."""

import ipaddress
import re
from collections.abc import Iterable

from toolkit.model.errors import InputError, words_of

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# IDNA 2003 (Python's codec) and IDNA 2008 disagree about these: guessing would check another domain
_DEVIATIONS = frozenset("ßς\u200c\u200d")


def normalise(name: str) -> str | IPAddress:
    """A host name as lower-case A-labels without the final dot, or an IP address; raises InputError otherwise."""
    text = name.strip()
    try:
        return ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        pass
    if not text.isascii():
        text = _to_ascii(text)
    text = text.lower().removesuffix(".")
    labels = text.split(".")
    if len(text) > 253 or not all(_LABEL.fullmatch(part) for part in labels) or labels[-1].isdigit():
        raise InputError(
            f"{name!r} is not a host name",
            why="a name is letters, digits and hyphens between dots",
            next_move='Give a name like "support.example.com" or an IP address.',
        )
    return text


def _to_ascii(text: str) -> str:
    next_move = 'Give the name in its ASCII form ("xn--…").'
    if _DEVIATIONS & set(text.lower()):
        raise InputError(f"{text!r} can mean two different names", why="IDNA 2003 and 2008 differ", next_move=next_move)
    try:
        return text.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise InputError(f"{text!r} is not a host name", why=words_of(error), next_move=next_move) from None


def matches(pattern: str, name: str) -> bool:
    """Whether a DNS name of a certificate covers a normalised host name.

    A wildcard counts only as the whole left-most label, stands for exactly one label, and needs two labels after it
    (RFC 9525 section 6.3; the last rule is that of OpenSSL and the browsers).
    """
    pattern = pattern.lower().removesuffix(".")
    first, dot, rest = pattern.partition(".")
    if first != "*":
        return bool(pattern) and "*" not in pattern and pattern == name
    host, _, domain = name.partition(".")
    return bool(dot and host) and "*" not in rest and "." in rest and rest == domain


def covered_by(name: str | IPAddress, patterns: Iterable[str], addresses: Iterable[IPAddress]) -> bool:
    """Whether a certificate's DNS names or IP addresses cover a normalised name; one never stands for the other."""
    if isinstance(name, str):
        return any(matches(pattern, name) for pattern in patterns)
    return name in addresses
