"""How much of whose connections a server takes: declared here, and nowhere else."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Times in seconds. The body's are those of Apache's mod_reqtimeout: so long, and longer the more arrives.

    Beyond `connections_max` in all, or `per_address_max` from one address, the one that waits longest without having
    asked for anything is closed for the new one; when all are at work, the new one is closed at once.
    """

    connections_max: int = 4096
    per_address_max: int = 512
    silent_seconds: float = 20.0
    """From a connection to the first byte of its TLS handshake."""
    handshake_seconds: float = 10.0
    header_seconds: float = 20.0
    """For a request's head, from the handshake, or from the head's first byte."""
    body_seconds: float = 30.0
    body_bytes_per_second_min: float = 500.0
    send_seconds: float = 60.0
    """Without a byte of an answer being taken."""
    keep_alive_seconds: int = 75
    """Longer than a careful operator takes between preparing a swing and doing it."""
    header_bytes_max: int = 32 << 10
    request_line_bytes_max: int = 8 << 10
    header_lines_max: int = 100
