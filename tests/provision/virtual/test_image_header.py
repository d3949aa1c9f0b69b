"""What a qcow2 image says that it is laid over: as qemu-img writes it, and whatever else stands there."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.provision.virtual.image_header import QCOW2, Header, HeaderError, file_named, may_be_layered, read_header


def made(path: Path, *words: str) -> Header:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *words, str(path), "1M"], check=True)
    return read_header(path.read_bytes())


@pytest.mark.vm
@pytest.mark.parametrize("compat", ["0.10", "1.1"])
def test_it_is_read_as_qemu_img_writes_it(tmp_path: Path, compat: str) -> None:
    image = tmp_path / "image.qcow2"
    options = ("-o", f"compat={compat}")
    assert made(image, *options) == Header()
    assert made(image, *options, "-u", "-b", "base.raw", "-F", "raw") == Header("base.raw", "raw")


@pytest.mark.vm
def test_a_file_that_holds_the_data_is_named(tmp_path: Path) -> None:
    outside = tmp_path / "outside.raw"
    assert made(tmp_path / "image.qcow2", "-o", f"data_file={outside}") == Header(data_file=str(outside))


@given(st.binary(max_size=200), st.booleans())
def test_whatever_stands_there_it_is_read_or_refused(content: bytes, magic: bool) -> None:
    try:
        read_header(QCOW2 + content if magic else content)
    except HeaderError:
        return


@given(st.text())
def test_whatever_a_file_is_called_it_is_one_of_the_host_or_refused(name: str) -> None:
    for prefix in ("", "json:", "file:", 'json:{"driver":"qcow2","file":'):
        try:
            path, _ = file_named(prefix + name, "/pool/image.qcow2")
        except HeaderError:
            continue
        assert path.startswith("/")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("/a/base.raw", ("/a/base.raw", "")),
        ("base.raw", ("/pool/base.raw", "")),
        ("../b/base.raw", ("/b/base.raw", "")),
        ("./odd:name.raw", ("/pool/odd:name.raw", "")),
        ("file:/a/base.raw", ("/a/base.raw", "")),
        ("file:///a/base.raw", ("/a/base.raw", "")),
        ("json:" + json.dumps({"driver": "file", "filename": "/a/b"}), ("/a/b", "")),
        ("json:" + json.dumps({"driver": "raw", "file": {"driver": "host_device", "filename": "/dev/x"}}),
         ("/dev/x", "raw")),
        ("json:" + json.dumps({"driver": "qcow2", "file.driver": "file", "file.filename": "b"}), ("/pool/b", "qcow2")),
    ],
)  # fmt: skip
def test_names_as_qemu_takes_them(name: str, found: tuple[str, str]) -> None:
    assert file_named(name, "/pool/image.qcow2") == found


@pytest.mark.parametrize(
    "name",
    [
        "nbd://host/x", "rbd:pool/x", "iscsi://host/iqn/1", "https://host/x", "json:{", "json:[]", "json:{}",
        'json:{"driver":"rbd","pool":"p","image":"x"}',
        'json:{"driver":"qcow2","file":{"driver":"qcow2","file":{"driver":"file","filename":"/x"}}}',
    ],
)  # fmt: skip
def test_what_is_no_file_of_the_host_is_refused(name: str) -> None:
    with pytest.raises(HeaderError):
        file_named(name, "/pool/image.qcow2")


def test_a_relative_data_file_is_nobody_knows_where() -> None:
    with pytest.raises(HeaderError, match="without its folder"):
        file_named("outside.raw", "/pool/image.qcow2", beside=False)


def test_formats_that_may_be_laid_over_others_are_told_from_plain_bytes() -> None:
    assert may_be_layered(QCOW2 + bytes(100))
    assert may_be_layered(b"KDMV" + bytes(100))
    assert may_be_layered(bytes(0x40) + b"\x7f\x10\xda\xbe")
    assert not may_be_layered(bytes(512))
    assert not may_be_layered(b"\xeb\x63\x90GRUB")
