"""What an old machine's disk is laid over is its data as well: found, wiped and read back, or nothing has passed.

On a real libvirt and real images; what is left is looked for by reading the files themselves, not through libvirt.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.provision.virtual.old_box import SERIAL, UUID, OldBox, disk, domain, qemu_img
from toolkit.model.errors import RefusedError, StorageError, VerificationError
from toolkit.provision.virtual.old_volumes import kept_beside

pytestmark = pytest.mark.vm

CANARY = b"-----BEGIN PRIVATE KEY----- of the site"
OTHER_UUID = UUID.replace("44", "45")


class Chain:
    """A disk with layers, the lowest first; each holds a canary of its own where its guest has written it."""

    def __init__(self, box: OldBox) -> None:
        self.box = box
        self.layers: list[Path] = []

    def add(self, name: str, *more: str, backing: str | None = None, kind: str = "qcow2", canary: bool = True) -> Path:
        """A layer over the last one, named in the header by `backing` or its path."""
        path = self.box.folder / name
        below = backing or (str(self.layers[-1]) if self.layers else "")
        over = ("-u", "-b", below, *(more or ("-F", kind))) if below else more
        size = ("16M",)
        qemu_img("create", "-q", "-f", "qcow2", *over, path, *size)
        self.layers.append(path)
        if canary:
            self.fill(path, len(self.layers))
        return path

    def fill(self, path: Path, number: int) -> None:
        """Writes the canary as its guest would: through QEMU, into this layer only."""
        source = self.box.hypervisor.folder / "canary"
        source.write_bytes((CANARY + b" %d\n" % number).ljust(65536, b"k"))
        subprocess.run(
            ["qemu-io", "-f", "qcow2", "-c", f"write -s {source} {number}M 64k", "-c", "write -P 0x6b 8M 2M", path],
            check=True, capture_output=True,
        )  # fmt: skip

    def define(self, more: str = "", top: Path | None = None) -> None:
        self.box.define(domain(disk(top or self.layers[-1], "vda", "OLD-0", "qcow2", more=more)))

    def wipe(self, **changed: object) -> None:
        self.box.wipe("OLD-0", **{"leave": (), **changed})

    def left(self) -> list[str]:
        """The layers that the canary is in, as another reader finds it."""
        found = subprocess.run(
            ["grep", "-l", "--binary-files=text", "-F", "-e", CANARY.decode(), *self.layers],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return [Path(line).name for line in found.stdout.splitlines()]


@pytest.fixture
def chain(box: OldBox) -> Chain:
    for path in (box.system, box.data, box.base):
        path.unlink()
    return Chain(box)


def by_path(chain: Chain) -> None:
    """As `virsh snapshot-create-as --disk-only --no-metadata` leaves it, which backup tools do."""
    chain.add("disk.qcow2")
    chain.add("disk.snap1")
    chain.add("disk.snap2")


def by_relative_names(chain: Chain) -> None:
    chain.add("disk.qcow2")
    chain.add("disk.snap1", backing="disk.qcow2")
    chain.add("disk.snap2", backing="./disk.snap1")


def by_json(chain: Chain) -> None:
    lowest = chain.add("disk.qcow2")
    nested = f'json:{{"driver":"qcow2","file":{{"driver":"file","filename":"{lowest}"}}}}'
    middle = chain.add("disk.snap1", backing=nested)
    flat = f'json:{{"driver":"qcow2","file.driver":"file","file.filename":"{middle}"}}'
    chain.add("disk.snap2", backing=flat)


def by_a_protocol(chain: Chain) -> None:
    lowest = chain.add("disk.qcow2")
    chain.add("disk.snap1", backing=f"file:{lowest}")
    chain.add("disk.snap2")


def over_raw(chain: Chain) -> None:
    raw = chain.box.folder / "disk.raw"
    raw.write_bytes(CANARY + b" 1\n".ljust(16 << 20, b"k"))
    chain.layers.append(raw)
    chain.add("disk.snap1", kind="raw")
    chain.add("disk.snap2")


@pytest.mark.parametrize("shape", [by_path, by_relative_names, by_json, by_a_protocol, over_raw])
def test_every_layer_is_wiped_and_read_back(chain: Chain, shape: Callable[[Chain], None]) -> None:
    shape(chain)
    chain.define()
    assert chain.left() == [path.name for path in chain.layers]
    chain.wipe()
    assert chain.left() == []
    for path in chain.layers:
        assert not path.read_bytes().strip(b"\0")
    (told,) = chain.box.told
    assert told["result"] == "passed"
    assert [layer["place"] for layer in told["layers"]] == [str(path) for path in reversed(chain.layers)]
    assert {(layer["result"], layer["verification"], layer["technique"]) for layer in told["layers"]} == {
        ("passed", "full", "overwrite with zeros")
    }
    assert told["bytes_read"] == told["size_bytes"] == sum(path.stat().st_size for path in chain.layers)


class _Cut(BaseException):
    """The power fails."""


STAGES = ["written down", *["marked", "overwritten", "read back", "wiped"] * 3]


@pytest.mark.parametrize("number", [0, 1, 4, 6, 9, 12])
def test_cut_off_at_any_layer_the_next_wipe_still_knows_them_all(chain: Chain, number: int) -> None:
    by_path(chain)
    chain.define()
    passed: list[str] = []

    def kill(stage: str) -> None:
        # each layer is overwritten in some spans: only the first counts
        if not passed or stage != passed[-1]:
            passed.append(stage)
            if len(passed) == number + 1:
                assert stage == STAGES[number]
                os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            chain.wipe(checkpoint=kill)
        finally:
            os._exit(1)  # it was not killed
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    chain.wipe()
    assert chain.left() == []
    (told,) = chain.box.told
    assert (told["result"], len(told["layers"])) == ("passed", 3)
    assert told["again"] == (STAGES[number] in {"marked", "overwritten", "read back"})


def test_without_what_was_written_down_a_wiped_disk_is_not_taken_for_one_that_was_laid_over_nothing(
    chain: Chain,
) -> None:
    by_path(chain)
    chain.define()
    chain.wipe()
    chain.box.disks("OLD-0", leave=()).check_machine()
    with pytest.raises(RefusedError, match="it is wiped, and nothing is written down here"):
        chain.wipe(state=chain.box.state / "another")
    (kept,) = (chain.box.state / "virtual").glob("*.layers.json")
    kept.write_text("{")
    with pytest.raises(StorageError, match="it cannot be read what the disks were laid over"):
        chain.wipe()


def template(chain: Chain) -> str:
    """A golden image, another machine over it."""
    chain.add("golden.qcow2", canary=False)
    chain.add("disk.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", "-b", chain.layers[0], "-F", "qcow2", chain.box.folder / "theirs.qcow2")
    chain.box.define(domain(disk(chain.box.folder / "theirs.qcow2", "vda", kind="qcow2"), "other", OTHER_UUID, "X"))
    chain.define()
    return "golden.qcow2, is in use by the virtual machine other, the volume theirs.qcow2, which is laid over it"


def test_a_layer_that_others_use_keeps_every_layer_from_it_and_says_who(chain: Chain) -> None:
    words = template(chain)
    before = chain.box.contents()
    for ask in (chain.box.disks("OLD-0", leave=()).check_machine, chain.wipe):
        with pytest.raises(RefusedError) as refused:
            ask()
        assert words in refused.value.why
        assert f"put {chain.layers[0]} into leave" in refused.value.next_move
    assert (chain.box.contents(), chain.box.told) == (before, [])


def test_where_the_inventory_leaves_it_the_rest_is_wiped_and_it_has_not_passed(chain: Chain) -> None:
    template(chain)
    golden = chain.layers[0].read_bytes()
    with pytest.raises(VerificationError, match="not wiped to the last layer"):
        chain.wipe(leave=(str(chain.layers[0]),))
    assert chain.layers[0].read_bytes() == golden
    assert chain.left() == []
    (told,) = chain.box.told
    assert (told["result"], [layer["result"] for layer in told["layers"]]) == ("failed", ["passed", "left"])
    assert "the virtual machine other" in told["reason"]


def test_what_a_layer_that_is_left_is_laid_over_is_left_too(chain: Chain) -> None:
    by_path(chain)
    chain.define()
    with pytest.raises(VerificationError, match=r"disk\.snap1; .*/disk\.qcow2"):
        chain.wipe(leave=(str(chain.layers[1]),))
    assert chain.left() == ["disk.qcow2", "disk.snap1"]


def test_one_base_under_two_disks_of_the_machine_is_wiped_once_and_stands_in_both_records(chain: Chain) -> None:
    base = chain.add("base.qcow2")
    chain.add("first.qcow2")
    second = chain.add("second.qcow2", backing=str(base))
    first = disk(chain.layers[1], "vda", "OLD-0", "qcow2")
    chain.box.define(domain(first + disk(second, "vdb", "OLD-1", "qcow2")))
    with pytest.raises(RefusedError, match=r"base\.qcow2, is in use by the volume second\.qcow2"):
        chain.box.wipe("OLD-0", leave=("OLD-1",))
    marked: list[str] = []
    chain.box.wipe("OLD-0", "OLD-1", checkpoint=marked.append)
    assert marked.count("marked") == 3
    assert chain.left() == []
    assert [[layer["place"] for layer in told["layers"]] for told in chain.box.told] == [
        [str(chain.layers[1]), str(base)],
        [str(second), str(base)],
    ]


def test_an_external_data_file_is_wiped_with_its_container(chain: Chain) -> None:
    outside = chain.box.folder / "outside.raw"
    chain.add("disk.qcow2", "-o", f"data_file={outside},data_file_raw=on")
    chain.layers.append(outside)
    chain.define(top=chain.layers[0])
    assert chain.left() == ["outside.raw"]
    chain.wipe()
    assert chain.left() == []
    assert [layer["format"] for layer in chain.box.told[0]["layers"]] == ["qcow2", "raw"]


def in_no_pool(chain: Chain) -> str:
    elsewhere = chain.box.hypervisor.folder / "elsewhere.raw"
    elsewhere.write_bytes(CANARY.ljust(1 << 20, b"k"))
    chain.add("disk.qcow2", backing=str(elsewhere), kind="raw")
    return "elsewhere.raw, which lies in no storage pool that is active, so that it can be neither looked at nor wiped"


def in_a_pool_that_is_stopped(chain: Chain) -> str:
    folder = chain.box.hypervisor.make_pool("second")
    (folder / "base.raw").write_bytes(CANARY.ljust(1 << 20, b"k"))
    chain.add("disk.qcow2", backing=str(folder / "base.raw"), kind="raw")
    chain.box.hypervisor.virsh("pool-destroy", "second")
    return "which lies in no storage pool that is active"


def not_there(chain: Chain) -> str:
    chain.add("disk.qcow2", backing=str(chain.box.folder / "gone.raw"), kind="raw", canary=False)
    return "gone.raw, which lies in no storage pool that is active and is not there"


def over_the_network(chain: Chain) -> str:
    chain.add("disk.qcow2", backing="nbd://127.0.0.1:1/x", kind="raw", canary=False)
    return "it is laid over nbd://127.0.0.1:1/x, which is no file of its host"


def a_format_that_nobody_says(chain: Chain) -> str:
    chain.add("disk.qcow2")
    middle = chain.add("disk.snap1")
    header = middle.read_bytes()
    top = chain.add("disk.snap2")
    at = top.read_bytes().index(b"\xe2\x79\x2a\xca")
    with top.open("r+b") as file:  # as QEMU before 6.1 made them: without the extension that says it
        file.seek(at)
        file.write(b"\x6b\x6b\x6b\x6b")
    assert middle.read_bytes() == header
    return "its format is said nowhere"


def another_format(chain: Chain) -> str:
    below = chain.box.folder / "disk.vmdk"
    qemu_img("create", "-q", "-f", "vmdk", below, "16M")
    chain.add("disk.qcow2", backing=str(below), kind="vmdk")
    return "its format, vmdk, is not known here"


def a_chain_that_the_machine_tells_otherwise(chain: Chain) -> str:
    by_path(chain)
    other = chain.box.folder / "other.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", other, "16M")
    told = f'<backingStore type="file"><format type="qcow2"/><source file="{other}"/><backingStore/></backingStore>'
    chain.define(told)
    return "the machine says that it is laid over"


def not_named(chain: Chain) -> str:
    by_path(chain)
    second = chain.box.folder / "second.raw"
    second.write_bytes(CANARY.ljust(1 << 20, b"k"))
    first = disk(chain.layers[-1], "vda", "OLD-0", "qcow2")
    chain.box.define(domain(first + disk(second, "vdb")))
    return f"it has more than is named: {second} (disk)"


def a_seed_that_is_not_named(chain: Chain) -> str:
    by_path(chain)
    seed = chain.box.folder / "seed.iso"
    seed.write_bytes(CANARY.ljust(1 << 20, b"k"))
    cd = f'<disk type="file" device="cdrom"><source file="{seed}"/><target dev="hdc" bus="ide"/><readonly/></disk>'
    empty = '<disk type="file" device="cdrom"><target dev="hdd" bus="ide"/><readonly/></disk>'
    chain.box.define(domain(disk(chain.layers[-1], "vda", "OLD-0", "qcow2") + cd + empty))
    return f"it has more than is named: {seed} (cdrom)"


DEFINED = (a_chain_that_the_machine_tells_otherwise, not_named, a_seed_that_is_not_named)


@pytest.mark.parametrize(
    "case",
    [
        in_no_pool, in_a_pool_that_is_stopped, not_there, over_the_network, a_format_that_nobody_says, another_format,
        *DEFINED,
    ],
    ids=lambda case: case.__name__,
)  # fmt: skip
def test_a_layer_that_cannot_be_looked_at_keeps_all_from_it(chain: Chain, case: Callable[[Chain], str]) -> None:
    words = case(chain)
    if case not in DEFINED:
        chain.define()
    before = chain.box.contents()
    try:
        for ask in (chain.box.disks("OLD-0", leave=()).check_machine, chain.wipe):
            with pytest.raises(RefusedError) as refused:
                ask()
            assert words in refused.value.why
    finally:
        if case is in_a_pool_that_is_stopped:
            chain.box.hypervisor.virsh("pool-undefine", "second")
    assert (chain.box.contents(), chain.box.told) == (before, [])


def test_a_seed_on_a_cd_is_wiped_when_it_is_named_and_kept_when_it_is_left(chain: Chain) -> None:
    a_seed_that_is_not_named(chain)
    seed = str(chain.box.folder / "seed.iso")
    chain.wipe(leave=(seed,))
    assert Path(seed).read_bytes().startswith(CANARY)
    chain.box.wipe("OLD-0", seed, leave=())
    assert not Path(seed).read_bytes().strip(b"\0")
    assert chain.box.told[-1]["backing_file"] == seed


def test_what_a_guest_writes_to_its_raw_disk_leads_nobody_to_another_file(chain: Chain) -> None:
    """An image over a stranger's file, written by a guest into its own raw disk."""
    victim = chain.box.folder / "victim.raw"
    victim.write_bytes(b"somebody else's".ljust(1 << 20, b"v"))
    raw = chain.box.folder / "disk.raw"
    qemu_img("create", "-q", "-f", "qcow2", "-b", victim, "-F", "raw", raw)
    chain.box.define(domain(disk(raw, "vda", "OLD-0", "raw")))
    chain.wipe()
    assert victim.read_bytes().startswith(b"somebody else's")
    assert [layer["place"] for layer in chain.box.told[0]["layers"]] == [str(raw)]


@pytest.fixture
def reader(chain: Chain) -> Iterator[int]:
    """A program that has a layer open, as a backup or qemu-nbd would; libvirt knows nothing of it."""
    by_path(chain)
    script = "import sys; file = open(sys.argv[1], 'rb'); print('open', flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", script, str(chain.layers[0])]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        yield other.pid
        other.communicate(b"")


def test_a_layer_that_another_program_has_open_is_not_wiped(chain: Chain, reader: int) -> None:
    chain.define()
    with pytest.raises(RefusedError, match=rf"disk\.qcow2 is opened by .* \({reader}\)"):
        chain.wipe(sleep=lambda _seconds: None)
    assert len(chain.left()) == 3


def test_on_another_host_a_machine_whose_chain_cannot_be_seen_may_be_laid_over_it(chain: Chain) -> None:
    by_path(chain)
    chain.define()
    child = chain.box.hypervisor.folder / "child.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", chain.layers[0], "-F", "qcow2", child)
    chain.box.define(domain(disk(child, "vda", kind="qcow2"), "other", OTHER_UUID, SERIAL))
    with pytest.raises(RefusedError, match="in use by perhaps the virtual machine other"):
        chain.wipe(uri=chain.box.hypervisor.remote_uri())
    chain.box.hypervisor.virsh("undefine", "other")
    chain.wipe(uri=chain.box.hypervisor.remote_uri())
    assert chain.left() == []


def test_what_a_host_keeps_beside_the_disks_is_told() -> None:
    xml = (
        "<domain><os><nvram>/nvram/old_VARS.fd</nvram></os><devices>"
        "<tpm model='tpm-tis'><backend type='emulator'/></tpm>"
        "<serial type='pty'><log file='/log/console.log'/></serial>"
        "<hostdev mode='subsystem' type='pci'/></devices></domain>"
    )
    assert kept_beside(xml) == [
        "its UEFI variables (/nvram/old_VARS.fd)",
        "the state of its TPM",
        "what it said on a serial port (/log/console.log)",
        "a device of the host handed to it (pci)",
    ]
