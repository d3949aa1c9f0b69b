"""What is kept again beside what was kept first: `NAME`, `NAME-2`, `NAME-3`; nothing is ever written over."""

import re
from pathlib import Path


def latest(first: Path) -> Path:
    """The one with the highest number; `first` itself while there is no other."""
    return max(_kept(first), key=lambda path: _number(first, path), default=first)


def following(first: Path) -> Path:
    """Where the next one belongs: `first` itself when there is none yet."""
    last = max((_number(first, path) for path in _kept(first)), default=0)
    return first.with_name(f"{first.stem}-{last + 1}{first.suffix}") if last else first


def _kept(first: Path) -> list[Path]:
    found = first.parent.glob(f"{first.stem}*{first.suffix}")
    return [path for path in found if _number(first, path)]


def _number(first: Path, path: Path) -> int:
    """1 for the first, 0 for what is none of them."""
    if path.name == first.name:
        return 1
    match = re.fullmatch(rf"{re.escape(first.stem)}-([1-9]\d*){re.escape(first.suffix)}", path.name)
    return int(match[1]) if match else 0
