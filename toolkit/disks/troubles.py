"""What the system says of a device that does not do as it is told, as one of our own refusals."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from toolkit.disks.volumes import Damaged, Full

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def translated(what: str, check: Callable[[], None]) -> Iterator[None]:
    """Turns OSError into Full or Damaged; first `check` may say that the device is gone, which is then the reason."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise Full(f"{what}: it is full") from None
        check()
        raise Damaged(f"{what}: {error.strerror or error}") from None
