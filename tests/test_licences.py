"""Every Python package has a named licence on the page that people read; the one under the GPL stays in its room."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = ("python.lock", "python-dev.lock")


def rows() -> dict[str, str]:
    """The page's packages and their licences."""
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| ([a-z0-9._-]+) \| [^|]+ \| ([^|]*) \|$", page, flags=re.M))


def test_the_page_says_what_the_installed_packages_say() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "packages" / "licences", "--check"], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_locked_package_has_a_licence_that_has_a_name() -> None:
    locked = {
        name
        for lock in LOCKS
        for name in re.findall(r"^([a-z0-9._-]+)==", (ROOT / "packages" / lock).read_text(encoding="utf-8"), flags=re.M)
    }
    licences = rows()
    assert len(locked) > 50
    assert locked - licences.keys() == set()
    unnamed = {
        name for name in locked if licences[name].strip().lower() in ("", "unknown", "see its source distribution")
    }
    assert unnamed == set()


def test_scapy_is_under_the_gpl_and_is_imported_by_probes_alone() -> None:
    assert "GPL" in rows()["scapy"]
    importers = {path for path in (ROOT / "toolkit").rglob("*.py") if "scapy" in imported(path)}
    assert importers
    assert {path.relative_to(ROOT).parts[1] for path in importers} == {"probes"}


def imported(path: Path) -> set[str]:
    """The top-level packages a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found
