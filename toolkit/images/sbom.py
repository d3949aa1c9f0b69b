"""The image's contents as a CycloneDX 1.5 document (ECMA-424), the same twice: no time of day, no random number."""

import json
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from toolkit.images.debian import DebianPackage
from toolkit.images.manifest import FileRecord, PackageList
from toolkit.images.python_packages import PythonPackage


def sbom(name: str, version: str, suite: str, packages: PackageList, image_file: FileRecord) -> bytes:
    """The document; `version` is the image's own, e.g. its recipe's hash."""
    components = [_component(one, _url(one, suite)) for one in packages.all()]
    image = {
        "type": "operating-system",
        "bom-ref": f"image:{name}",
        "name": f"rebox-{name}",
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": image_file.sha256}],
    }
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, f'rebox:image:{image_file.sha256}')}",
        "version": 1,
        "metadata": {"component": image, "tools": {"components": [{"type": "application", "name": "rebox"}]}},
        "components": components,
        "dependencies": [{"ref": image["bom-ref"], "dependsOn": [one["bom-ref"] for one in components]}],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _component(package: DebianPackage | PythonPackage, url: str) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": url,
        "name": package.name,
        "version": package.version,
        "purl": url,
        "hashes": [{"alg": "SHA-256", "content": package.sha256}],
    }


def _url(package: DebianPackage | PythonPackage, suite: str) -> str:
    """A package URL (purl specification, types `deb` and `pypi`)."""
    if isinstance(package, PythonPackage):
        return f"pkg:pypi/{quote(package.name)}@{quote(package.version)}"
    version = quote(package.version, safe=".-~")
    return f"pkg:deb/debian/{quote(package.name)}@{version}?arch={package.architecture}&distro={suite}"
