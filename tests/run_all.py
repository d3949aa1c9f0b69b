"""`make test`, after the set-up: all tests in their order, as root through sudo what only root can, and what is left.

Every part is run, whatever became of the one before; the exit status is the first that was not 0.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.left_out import FILE, LeftOut, in_words, read

ROOT = Path(__file__).resolve().parents[1]
PYTEST = (sys.executable, "-m", "pytest")


def main(arguments: list[str]) -> int:
    """Runs everything; `arguments` are added to every call of pytest."""
    with tempfile.TemporaryDirectory(prefix="rebox-tests-") as name:
        file = Path(name) / "left-out"
        statuses = [
            _run(["-n", str((os.cpu_count() or 1) + 1), "--dist", "loadfile", "--no-loadscope-reorder",
                  "-m", "not image and not vm and not endurance", *arguments], file),
        ]  # fmt: skip
        _say("Now what builds disk images and runs virtual machines: one after the other, each takes both processors")
        statuses.append(_run(["-m", "(image or vm) and not endurance", *arguments], file))
        left_out = read(file)
        if os.geteuid() != 0 and may_use_sudo():
            _say("Now what only root can: through sudo")
            as_root = Path(name) / "left-out-of-root"
            statuses.append(_run_as_root(["-m", "root and not endurance", *arguments], as_root, Path(name)))
            left_out = after_root(left_out, read(as_root))
        _say(in_words(left_out))
    return next((status for status in statuses if status not in (0, 5)), 0)  # 5: a selection that is empty


def after_root(before: list[LeftOut], of_root: list[LeftOut]) -> list[LeftOut]:
    """What is left when those that only root can run were run, but for the ones left out there, too."""
    from tests.left_out import ONLY_ROOT  # noqa: PLC0415

    again = {each.test for each in of_root}
    return [each for each in before if each.reason != ONLY_ROOT and each.test not in again] + of_root


def may_use_sudo() -> bool:
    """Whether sudo works without asking anybody."""
    try:
        done = subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _run(words: list[str], file: Path) -> int:
    return subprocess.run([*PYTEST, *words], cwd=ROOT, env={**os.environ, FILE: str(file)}, check=False).returncode


def _run_as_root(words: list[str], file: Path, scratch: Path) -> int:
    """Root's run leaves nothing in the checkout; images that were built are used, and stay this user's."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    environment = {
        "HOME": str(scratch / "home"),
        "XDG_CACHE_HOME": str(cache),
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(scratch / "hypothesis"),
        FILE: str(file),
    }
    (scratch / "home").mkdir()
    settings = [f"{name}={value}" for name, value in environment.items()]
    status = subprocess.run(
        ["sudo", "-n", "env", *settings, *PYTEST, "-p", "no:cacheprovider", *words], cwd=ROOT, check=False
    ).returncode
    for folder in (cache / "rebox", scratch):
        if folder.exists():
            subprocess.run(["sudo", "-n", "chown", "-R", f"{os.getuid()}:{os.getgid()}", str(folder)], check=False)
    return status


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
