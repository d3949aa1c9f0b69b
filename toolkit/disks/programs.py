"""Where the programs are that we call: an ordinary user's PATH leaves out those of the system's folders."""

import os
import shutil

from toolkit.disks.refusal import Refused

_SYSTEM = ("/usr/sbin", "/sbin")


def program(name: str) -> str:
    """The program's path; raises Refused when it is not installed."""
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), *_SYSTEM]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        raise Refused(f"{name} is not installed on this machine (make setup-media installs it)")
    return found
