"""The list of an image's contents, read by CycloneDX's own library and by that of package URLs (ECMA-424, purl)."""

import json

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from toolkit.images.debian import DebianPackage
from toolkit.images.manifest import FileRecord, PackageList
from toolkit.images.python_packages import PythonPackage
from toolkit.images.sbom import sbom

HASHES = st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")
# Debian Policy 5.6.1 and 5.6.12; PEP 503 and PEP 440
DEBIAN_NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,12}", fullmatch=True)
DEBIAN_VERSIONS = st.from_regex(r"([0-9]:)?[0-9][A-Za-z0-9.+~]{0,8}(-[A-Za-z0-9.+~]{1,6})?", fullmatch=True)
PYTHON_NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
PYTHON_VERSIONS = st.from_regex(r"([0-9]!)?[0-9]+(\.[0-9]+){0,3}(rc[0-9])?(\+[a-z0-9]+)?", fullmatch=True)


@st.composite
def package_lists(draw: st.DrawFn) -> PackageList:
    debian = [
        DebianPackage(
            name=name, version=draw(DEBIAN_VERSIONS), architecture="amd64", size_bytes=1, sha256=draw(HASHES),
            use="installed",
        )
        for name in draw(st.sets(DEBIAN_NAMES, max_size=4))
    ]  # fmt: skip
    python = [
        PythonPackage(name=name, version=draw(PYTHON_VERSIONS), wheel=f"{name}.whl", sha256=draw(HASHES))
        for name in draw(st.sets(PYTHON_NAMES, max_size=4))
    ]
    return PackageList(suite="bookworm", debian=tuple(debian), python=tuple(python))


def document(packages: PackageList) -> bytes:
    return sbom("small", "1" * 64, packages.suite, packages, FileRecord(size_bytes=4, sha256="2" * 64))


def complaint(text: bytes) -> object:
    return JsonStrictValidator(SchemaVersion.V1_5).validate_str(text.decode())


@given(package_lists())
def test_the_list_keeps_to_the_schema_and_names_every_package_so_that_others_find_it(packages: PackageList) -> None:
    text = document(packages)
    assert complaint(text) is None
    named = {PackageURL.from_string(one["purl"]) for one in json.loads(text)["components"]}
    assert {(one.type, one.name, one.version) for one in named} == {
        *(("deb", one.name, one.version) for one in packages.debian),
        *(("pypi", one.name, one.version) for one in packages.python),
    }


def test_the_same_contents_give_the_same_list_byte_by_byte() -> None:
    package = DebianPackage(
        name="dash", version="0.5.12-2", architecture="amd64", size_bytes=1, sha256="3" * 64, use="installed"
    )
    packages = PackageList(suite="bookworm", debian=(package,))
    assert document(packages) == document(packages)


def test_the_schema_is_really_asked() -> None:
    wrong = json.loads(document(PackageList(suite="bookworm", debian=())))
    wrong["components"] = [{"type": "spoon", "name": "dash"}]
    assert complaint(json.dumps(wrong).encode()) is not None
