"""Boots the installer on a machine once, follows it to its end, and puts the BMC back as it was found in any case.

Medium, then boot override (some BMCs refuse the other order), then power. Everything is written down before it is done
(notebook.py), so that the next call after a kill begins with putting it back.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.model.errors import (
    InputError,
    ReboxError,
    RefusedError,
    VerificationError,
)
from toolkit.model.execution import Clock, Progress
from toolkit.model.provision import Bmc as Settings
from toolkit.provision.metal.bmc import Bmc
from toolkit.provision.metal.bmc_answers import BootOverride, Medium
from toolkit.provision.metal.following import Action, Following, Hear, Limits
from toolkit.provision.metal.identity import MachineIdentity, check_identity
from toolkit.provision.metal.media_server import MediaServer, serve_media
from toolkit.provision.metal.notebook import Notebook, Record
from toolkit.provision.metal.voice import Console, Voice

WriteIso = Callable[[MediaServer], None]
"""Writes the installer with its job to the server's file: it holds where to report to."""

_MB = 1 << 20


@dataclass(frozen=True)
class InstallerBoot:
    """One machine, its BMC and what was begun on it. `base_path` finds the inventory's files."""

    bmc: Bmc
    settings: Settings
    meant: MachineIdentity
    notebook: Notebook
    clock: Clock
    base_path: Callable[[str], Path]
    limits: Limits = field(default_factory=Limits)

    def carry_out(
        self,
        action: Action,
        order_sha256: str,
        write_iso: WriteIso,
        progress: Progress,
        *,
        may_be_on: bool,
        hear: Hear = lambda _: None,
    ) -> None:
        """From the look at the machine to a BMC that is as it was found and a machine that is off.

        What the installer says is handed to `hear`, and its last is in the record. A machine that is on is switched off
        if it `may_be_on`; else it is refused, because something runs there.
        """
        progress(0.0, "asking the BMC which machine it has")
        self.check_machine()
        self.put_back()
        if not may_be_on and self.bmc.is_on():
            raise RefusedError(
                "the machine is switched on",
                where=self.bmc.where,
                why="whatever runs there would be lost with its disk",
                next_move="When it is the right one, switch it off first.",
            )
        self._refuse_foreign_medium()
        try:
            self._boot_and_follow(action, order_sha256, write_iso, progress, hear)
        except ReboxError as error:
            raise self._put_back_after(error) from None
        except BaseException:
            with suppress(ReboxError):
                self.put_back()
                self.notebook.iso.unlink(missing_ok=True)
            raise
        self.put_back()

    def check_machine(self) -> None:
        """Raises RefusedError or UnknownStateError unless it is the machine that is meant; changes nothing."""
        check_identity(self.meant, self.bmc.facts(), self.bmc.where)

    def put_back(self) -> None:
        """Power off, medium out, boot order as found; nothing, when nothing was begun."""
        record = self.notebook.read()
        if record is None or record.phase == "put-back":
            return
        self.bmc.switch_off(at_once=True)
        medium = self.bmc.medium()
        if medium.inserted and _is_ours(medium, record):
            self.bmc.eject()
        self.bmc.put_boot_back(BootOverride(record.boot_target, record.boot_enabled))
        self.notebook.iso.unlink(missing_ok=True)
        if record.phase == "written":
            self.notebook.write(record.model_copy(update={"phase": "put-back", "media_url": None}))
        else:
            self.notebook.forget()

    # -------------------------------------------------------------------------------------------------- the way

    def _boot_and_follow(
        self, action: Action, order_sha256: str, write_iso: WriteIso, progress: Progress, hear: Hear
    ) -> None:
        settings = self.settings
        with serve_media(
            self.notebook.iso,
            settings.media_address,
            settings.media_port,
            report_address=settings.report_address,
            plain_http=settings.media_http,
        ) as media:
            progress(0.02, "writing the installer for this job")
            write_iso(media)
            self._check_size(media)
            found = self.bmc.boot_override()
            record = Record(
                action=action,
                order_sha256=order_sha256,
                phase="booting",
                media_url=media.media_url,
                boot_target=found.target,
                boot_enabled=found.enabled,
            )
            self.notebook.write(record)
            self.bmc.switch_off()
            progress(0.05, "the BMC fetches the installer")
            self._insert(media)
            self.bmc.boot_once_from_cd()
            console = Console.from_now(self.base_path(settings.console_file)) if settings.console_file else None
            progress(0.1, "starting the installer")
            self.bmc.start()
            following = Following(self.bmc, self.clock, self.limits, Voice(media, console), progress, hear)
            said = following.until_done(action, media)
            fetched = {
                "fetched_by": tuple(sorted({fetch.peer for fetch in media.fetches})),
                "fetched_bytes": media.sent_bytes,
            }
            self.notebook.write(record.model_copy(update={"phase": "written", "said": said, **fetched}))
            self._wait_until_off()

    def _insert(self, media: MediaServer) -> None:
        self.bmc.insert(media.media_url)
        if not self._within(lambda: media.asked_for, self.limits.asked_for):
            raise VerificationError(
                "the BMC says that the medium is inserted, and never asked for it",
                where=self.bmc.where,
                why=f"nobody fetched anything from {self.settings.media_address}:{media.port} "
                f"within {self.limits.asked_for:.0f} s",
                next_move="Check that the BMC reaches that address and port; then try again. Nothing was written.",
            )

    def _wait_until_off(self) -> None:
        """It switches itself off; one that does not is cut off, since all of it is on the disk."""
        if not self._within(lambda: not self.bmc.is_on(), self.limits.off):
            self.bmc.switch_off(at_once=True)

    # -------------------------------------------------------------------------------------------------- details

    def _check_size(self, media: MediaServer) -> None:
        limit = self.settings.media_mb_max
        if limit is not None and media.size_bytes > limit * _MB:
            raise InputError(
                "the installer is too large for this BMC",
                where=self.bmc.where,
                why=f"it has {media.size_bytes / _MB:.0f} MiB, media_mb_max is {limit}",
                next_move='Install by hand, from a USB stick: driver = "operator". Nothing was changed.',
            )

    def _refuse_foreign_medium(self) -> None:
        medium = self.bmc.medium()
        if medium.inserted:
            raise RefusedError(
                "something is in the machine's virtual drive",
                where=self.bmc.where,
                why=f"{medium.image or 'the BMC does not say what'}; it is not ours",
                next_move="Eject it in the BMC's own pages, when nobody needs it.",
            )

    def _put_back_after(self, error: ReboxError) -> ReboxError:
        """The error, or what also could not be put back after it."""
        try:
            self.put_back()
        except ReboxError as second:
            error.why += f"; and the BMC could not be put back: {second.what}"
            error.next_move += (
                " The medium may still be inserted and the boot order changed: the next call puts both back first."
            )
        else:
            self.notebook.iso.unlink(missing_ok=True)
        return error

    def _within(self, check: Callable[[], bool], seconds: float) -> bool:
        deadline = self.clock.monotonic() + seconds
        while not check():
            if self.clock.monotonic() >= deadline:
                return False
            self.clock.sleep(self.limits.poll)
        return True


def _is_ours(medium: Medium, record: Record) -> bool:
    """By the name that nobody can guess; after a failed insert a BMC may not say what is inserted."""
    name = (record.media_url or "/").rpartition("/")[2]
    return medium.image is None or (bool(name) and name in medium.image)
