"""The `Range` header (RFC 9110, section 14) as far as BMCs use it: one range of bytes."""

import re

_ONE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


class UnsatisfiableRangeError(ValueError):
    """No byte of the file is in the range."""


def read_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """First byte and the one behind the last; None: the whole file, as for a header that is none or names several.

    Raises UnsatisfiableRangeError.
    """
    found = _ONE.fullmatch(header.strip()) if header else None
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        begin, end = max(size_bytes - int(last), 0), size_bytes
    else:
        begin, end = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
        if last and int(last) < begin:
            return None  # no valid range, and as such ignored
    if begin >= end:
        raise UnsatisfiableRangeError(header)
    return begin, end
