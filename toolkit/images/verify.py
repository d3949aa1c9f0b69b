"""Reads an image back: every byte of its files against what was recorded, and the records against each other."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolkit.images.manifest import PACKAGES, SBOM, Manifest, read_packages, record
from toolkit.model.errors import InputError


@dataclass(frozen=True)
class Finding:
    """What is wrong with one file of an image."""

    file: str
    what: str


def verify(folder: Path, manifest: Manifest, progress: Callable[[float, str], None]) -> list[Finding]:
    """What is wrong with the image; nothing is changed."""
    findings = []
    total = sum(one.size_bytes for one in manifest.files.values()) or 1
    done = 0
    for name, expected in manifest.files.items():
        progress(done / total, name)
        done += expected.size_bytes
        path = folder / name
        if not path.is_file():
            findings.append(Finding(name, "is missing"))
            continue
        found = record(path)
        if found.size_bytes != expected.size_bytes:
            findings.append(Finding(name, f"has {found.size_bytes} bytes, {expected.size_bytes} were recorded"))
        elif found.sha256 != expected.sha256:
            findings.append(Finding(name, f"has the SHA-256 {found.sha256}, {expected.sha256} was recorded"))
    if not findings:
        findings = _records(folder, manifest)
    return findings


def _records(folder: Path, manifest: Manifest) -> list[Finding]:
    """Whether the list of contents names every package and the image."""
    try:
        packages = read_packages(folder / PACKAGES)
        document = json.loads((folder / SBOM).read_bytes())
        named = {(one["name"], one["version"], one["hashes"][0]["content"]) for one in document["components"]}
        image = document["metadata"]["component"]["hashes"][0]["content"]
    except InputError as error:
        return [Finding(PACKAGES, error.what)]
    except (ValueError, LookupError, TypeError):
        return [Finding(SBOM, "is not the list of contents that was written")]
    listed = {(one.name, one.version, one.sha256) for one in packages.all()}
    if named != listed:
        return [Finding(SBOM, f"does not name the packages that {PACKAGES} lists")]
    if image != manifest.sha256:
        return [Finding(SBOM, "describes another image")]
    return []
