"""What a step keeps in its run's folder to go on from: read whole, or told as what it is."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from toolkit.model.errors import StorageError

Kept = TypeVar("Kept")


def read_kept(path: Path, parse: Callable[[bytes], Kept], missing: Callable[[], Kept], *, what: str, then: str) -> Kept:
    """What was kept, by `parse`; what `missing` makes when there is none. Raises StorageError, worded by the others."""
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return missing()
    except (OSError, ValueError):  # pydantic's is a ValueError
        raise StorageError(what, where=str(path), next_move=then) from None
