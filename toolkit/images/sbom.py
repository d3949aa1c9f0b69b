"""The image's contents as a CycloneDX 1.5 document (ECMA-424), the same twice: no time of day, no random number."""

import json
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from toolkit.images.manifest import FileRecord, PackageList


def sbom(name: str, version: str, suite: str, packages: PackageList, disk: FileRecord) -> bytes:
    """The document; `version` is the image's own, e.g. its recipe's hash."""
    components = [
        *(
            _component("library", one.name, one.version, one.sha256, _debian(one.name, one.version, one.architecture, suite))
            for one in packages.debian
        ),
        *(_component("library", one.name, one.version, one.sha256, _pypi(one.name, one.version)) for one in packages.python),
    ]
    image = {
        "type": "operating-system",
        "bom-ref": f"image:{name}",
        "name": f"rebox-{name}",
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": disk.sha256}],
    }
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, f'rebox:image:{disk.sha256}')}",
        "version": 1,
        "metadata": {"component": image, "tools": {"components": [{"type": "application", "name": "rebox"}]}},
        "components": components,
        "dependencies": [{"ref": image["bom-ref"], "dependsOn": [one["bom-ref"] for one in components]}],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _component(kind: str, name: str, version: str, sha256: str, purl: str) -> dict[str, Any]:
    return {
        "type": kind,
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": sha256}],
    }


def _debian(name: str, version: str, architecture: str, suite: str) -> str:
    """A package URL (purl specification, types `deb` and `pypi`)."""
    return f"pkg:deb/debian/{quote(name)}@{quote(version, safe='.-~')}?arch={architecture}&distro={suite}"


def _pypi(name: str, version: str) -> str:
    return f"pkg:pypi/{quote(name)}@{quote(version, safe='.-')}"
