"""Whether a process is at work on a run: the lock on the run's folder tells, and vanishes with the process."""

import fcntl
import os
from pathlib import Path


def is_alive(run_directory: Path) -> bool:
    """Whether a process is at work on the run just now; of a folder that may not be opened nothing is known."""
    try:
        descriptor = os.open(run_directory, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
