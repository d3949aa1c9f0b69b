"""blkid(8) of util-linux, asked for what lies on a disk: by low-level probing, past its own memory."""

import subprocess
from collections.abc import Collection
from pathlib import Path

from toolkit.disks.programs import program
from toolkit.disks.refusal import Failed

_NOTHING_FOUND, _SEVERAL_FOUND = 2, 8  # blkid(8), EXIT STATUS
_SECONDS_MAX = 30.0
SEVERAL = "ambivalent"
"""blkid's word for several signatures of which none counts more than another."""


def probe(
    path: Path, offset_bytes: int = 0, size_bytes: int = 0, *, passing_over: Collection[str] = ()
) -> dict[str, str]:
    """What it finds there, by its own names (TYPE, USAGE, …); none when there is nothing but what is passed over.

    TYPE is SEVERAL where it finds several. It does not tell what it cannot read from what is not there: whoever must
    know has read there before. Raises Failed when it cannot be asked, Refused when it is not installed.
    """
    words = [program("blkid"), "--probe", "--output", "export", f"--offset={offset_bytes}"]
    words += [f"--size={size_bytes}"] if size_bytes else []
    words += [f"--match-types=no{','.join(passing_over)}"] if passing_over else []
    try:
        done = subprocess.run(
            [*words, "--", str(path)], capture_output=True, timeout=_SECONDS_MAX, check=False, text=True,
            errors="replace", stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"it cannot be told what is on {path}: {error}") from None
    if done.returncode == _SEVERAL_FOUND:
        return {"TYPE": SEVERAL}
    if done.returncode not in {0, _NOTHING_FOUND}:
        raise Failed(f"it cannot be told what is on {path}: {done.stderr.strip() or 'it does not read'}")
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
