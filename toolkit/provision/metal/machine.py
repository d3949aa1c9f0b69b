"""A physical machine behind a BMC as the new box of a migration: a `Provisioner`."""

from collections.abc import Callable
from functools import cached_property

from toolkit.model.errors import RefusedError, UnknownStateError, VerificationError
from toolkit.model.execution import Progress
from toolkit.provision.metal.installer_boot import InstallerBoot, WriteIso
from toolkit.provision.metal.notebook import Record
from toolkit.provision.metal.voice import Console, announced

_ANNOUNCES_SECONDS_MAX = 900.0
"""A server's own self-test takes minutes before its disk is started."""


class RedfishMachine:
    """One machine. Nothing is asked of its BMC before a call needs it.

    `order_sha256` names what is installed: image, disk and what the box is told. `known_tls_sha256` is the inventory's
    fingerprint, which does where the machine's console is kept nowhere. `again`: installs over what was installed here.
    """

    def __init__(
        self,
        open_boot: Callable[[], InstallerBoot],
        order_sha256: Callable[[], str],
        write_iso: WriteIso,
        *,
        known_tls_sha256: str | None,
        again: bool = False,
    ) -> None:
        self._open_boot = open_boot
        self._order_sha256 = order_sha256
        self._write_iso = write_iso
        self._known_tls_sha256 = known_tls_sha256
        self._again = again

    @cached_property
    def boot(self) -> InstallerBoot:
        """The machine with its BMC; signs in."""
        return self._open_boot()

    def is_provided(self) -> bool:
        """Whether the box was installed here and its machine is on."""
        record = self.boot.notebook.read()
        return _is_installed(record) and not self._again and self.boot.bmc.is_on()

    def provide(self, progress: Progress) -> None:
        """Installs the box, unless that is done, switches the machine on, and hears what it says on its console.

        Raises RefusedError when the machine is another one, is on, or holds a box that was installed otherwise.
        """
        boot = self.boot
        with boot.notebook.alone():
            record = boot.notebook.read()
            if record is None or record.phase == "booting" or record.action == "wipe" or self._again:
                self._install(progress)
                self._again = False
            else:
                boot.check_machine()
                self._must_be_the_same(record)
                boot.put_back()
            self._switch_on(progress)

    def announced_tls_sha256(self) -> str | None:
        """What the box said on its console; None where the inventory's own fingerprint has to do.

        Raises UnknownStateError when there is neither.
        """
        record = self.boot.notebook.read()
        said = record.announced_tls_sha256 if record else None
        if said is None and self._known_tls_sha256 is None:
            raise UnknownStateError(
                "it is not known by which certificate the new box is recognised",
                where=self.boot.bmc.where,
                why="its console is kept in no file that could be read (console_file)",
                next_move="Read `certificate sha256` off its console and give it as new.tls_sha256, then resume.",
            )
        return said

    def withdraw(self) -> bool:
        """Medium out, boot order as found, machine off; what was written stays on its disk.

        A machine on which nothing was installed here is left alone: it may have been refused because something runs
        there.
        """
        with self.boot.notebook.alone():
            record = self.boot.notebook.read()
            if record is None or record.action != "install":
                return False
            self.boot.check_machine()
            self.boot.put_back()
            self.boot.bmc.switch_off()
        return False

    def how(self) -> str:
        """How the box came onto the machine, for the run's evidence."""
        record = self.boot.notebook.read()
        if record is None or not record.said:
            return ""
        return (
            f"Installed on machine {self.boot.meant.serial_number} through {self.boot.bmc.where}: the installer's "
            f"ISO was fetched by {', '.join(record.fetched_by)} ({record.fetched_bytes} bytes); it wrote "
            f"{record.said.get('bytes_written')} bytes to {record.said.get('disk_serial')} and read back "
            f"{record.said.get('bytes_read')}."
        )

    def _install(self, progress: Progress) -> None:
        boot = self.boot
        if self._again and (record := boot.notebook.read()) is not None and record.phase == "put-back":
            boot.check_machine()
            boot.bmc.switch_off()
            boot.notebook.forget()
        boot.carry_out("install", self._order_sha256(), self._write_iso, progress, may_be_on=False)

    def _must_be_the_same(self, record: Record) -> None:
        if record.order_sha256 != self._order_sha256():
            raise RefusedError(
                "this machine was installed otherwise",
                where=self.boot.bmc.where,
                why="image, disk or what the box is told differ from the inventory's",
                next_move="Put the inventory back as it was; or write it anew: rebox provision metal INVENTORY --again",
            )

    def _switch_on(self, progress: Progress) -> None:
        boot = self.boot
        record = boot.notebook.read()
        assert record is not None  # noqa: S101  carry_out and _must_be_the_same leave one
        file = boot.settings.console_file and boot.base_path(boot.settings.console_file)
        if file and not boot.bmc.is_on() and record.announced_tls_sha256 is None:
            record = record.model_copy(update={"console_offset": Console.from_now(file).offset})
            boot.notebook.write(record)
        progress(0.8, "starting the new box")
        boot.bmc.switch_on()
        if file and record.announced_tls_sha256 is None:
            said = self._hear(Console(file, record.console_offset))
            boot.notebook.write(record.model_copy(update={"announced_tls_sha256": said}))

    def _hear(self, console: Console) -> str:
        clock = self.boot.clock
        deadline = clock.monotonic() + _ANNOUNCES_SECONDS_MAX
        while (said := announced(console.lines())) is None:
            if clock.monotonic() > deadline:
                raise VerificationError(
                    f"the new box has not said within {_ANNOUNCES_SECONDS_MAX:.0f} s which certificate it serves",
                    where=str(console.file),
                    why=f"its console ends with: {console.tail()}",
                    next_move="See the machine's console, then resume.",
                )
            clock.sleep(self.boot.limits.poll)
        return said


def _is_installed(record: Record | None) -> bool:
    return record is not None and record.action == "install" and record.phase == "put-back"
