"""Python packages of an image: the part of the project's lock file that its roots need, checked by hash."""

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from toolkit.images.programs import Workshop
from toolkit.images.recipe import PYTHON_LOCK
from toolkit.model.errors import InputError

_ENTRY = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>[^\s\\]+)", flags=re.M)


class PythonPackage(BaseModel):
    """One package, exactly: the wheel with this SHA-256."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    wheel: str
    sha256: str


def locked(roots: Iterable[str], lock: Path = PYTHON_LOCK) -> str:
    """The lock file's entries for the roots and all they need, as a lock file; raises InputError.

    pip-compile notes at each entry which packages asked for it ("via").
    """
    entries = _entries(lock.read_text(encoding="utf-8"))
    wanted: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in entries:
            raise InputError(f"{name} is not in the lock file", where=str(lock), next_move="Correct the recipe.")
        if name not in wanted:
            wanted.add(name)
            waiting += [other for other, entry in entries.items() if name in _asked_by(entry)]
    return "".join(entries[name] for name in sorted(wanted))


def install(workshop: Workshop, lock: str, folder: Path) -> tuple[PythonPackage, ...]:
    """Unpacks the wheels into `folder`; raises ReboxError (a hash differs, a wheel is not to be had)."""
    requirements, report = workshop.scratch / "python.lock", workshop.scratch / "pip.json"
    requirements.write_text(lock, encoding="utf-8")
    workshop.run(
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install",
        "--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile",
        "--target", folder, "--report", report, "--requirement", requirements,
    )  # fmt: skip
    packages = tuple(sorted(map(_described, json.loads(report.read_bytes())["install"]), key=lambda one: one.name))
    shutil.rmtree(folder / "bin", ignore_errors=True)
    # says where this machine got the wheel from, which is no property of the image
    for path in (*folder.glob("*.dist-info/direct_url.json"), *folder.glob("*.dist-info/RECORD")):
        path.unlink()
    return packages


def _entries(text: str) -> Mapping[str, str]:
    starts = list(_ENTRY.finditer(text))
    ends = [*(found.start() for found in starts[1:]), len(text)]
    return {found["name"]: text[found.start() : end] for found, end in zip(starts, ends, strict=True)}


def _asked_by(entry: str) -> set[str]:
    comments = [line.strip().lstrip("# ") for line in entry.splitlines() if line.strip().startswith("#")]
    return {name for line in comments for name in line.removeprefix("via").split()}


def _described(entry: Mapping[str, object]) -> PythonPackage:
    info: dict[str, object] = entry["download_info"]  # type: ignore[assignment]  # pip's report, version 1
    metadata: dict[str, str] = entry["metadata"]  # type: ignore[assignment]
    hashes = info["archive_info"]["hashes"]  # type: ignore[index]
    return PythonPackage(
        name=re.sub(r"[-_.]+", "-", metadata["name"]).lower(),
        version=metadata["version"],
        wheel=str(info["url"]).rpartition("/")[2],
        sha256=hashes["sha256"],
    )
