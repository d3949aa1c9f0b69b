"""Boots the installer on a machine once, follows it to its end, and puts the BMC back as it was found in any case.

Medium, then boot override (some BMCs refuse the other order), then power. Everything is written down before it is done
(notebook.py), so that the next call after a kill begins with putting it back.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from toolkit.model.errors import (
    ApplianceError,
    InputError,
    ReboxError,
    RefusedError,
    UnreachableError,
    VerificationError,
)
from toolkit.model.execution import Clock, Progress
from toolkit.model.provision import Bmc as Settings
from toolkit.provision.metal.bmc import Bmc, BootOverride
from toolkit.provision.metal.identity import MachineIdentity, check_identity
from toolkit.provision.metal.media_server import MediaServer, serve_media
from toolkit.provision.metal.notebook import Notebook, Record
from toolkit.provision.metal.voice import Console, Event, Voice

Action = Literal["install", "wipe"]
WriteIso = Callable[[MediaServer], None]
"""Writes the installer with its job to the server's file: it holds where to report to."""

_MB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """How long is waited, in seconds. A server's own self-test takes minutes before anything boots."""

    asked_for: float = 60.0
    first_word: float = 900.0
    silent: float = 600.0
    bmc_silent: float = 120.0
    on: float = 60.0
    off: float = 120.0
    poll: float = 0.5
    power_poll: float = 5.0


@dataclass(frozen=True)
class InstallerBoot:
    """One machine, its BMC and what was begun on it. `base_path` finds the inventory's files."""

    bmc: Bmc
    settings: Settings
    meant: MachineIdentity
    notebook: Notebook
    clock: Clock
    base_path: Callable[[str], Path]
    limits: Limits = Limits()

    def carry_out(
        self, action: Action, order_sha256: str, write_iso: WriteIso, progress: Progress, *, may_be_on: bool
    ) -> None:
        """From the look at the machine to a BMC that is as it was found and a machine that is off.

        What the installer said at its end is in the record. A machine that is on is switched off if it `may_be_on`;
        else it is refused, because something runs there.
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
            self._boot_and_follow(action, order_sha256, write_iso, progress)
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
        # after a failed insert a BMC may say that something is inserted and not what
        if medium.inserted and medium.image in (record.media_url, None):
            self.bmc.eject()
        self.bmc.put_boot_back(BootOverride(record.boot_target, record.boot_enabled))
        self.notebook.iso.unlink(missing_ok=True)
        if record.phase == "written":
            self.notebook.write(record.model_copy(update={"phase": "put-back", "media_url": None}))
        else:
            self.notebook.forget()

    # -------------------------------------------------------------------------------------------------- the way

    def _boot_and_follow(self, action: Action, order_sha256: str, write_iso: WriteIso, progress: Progress) -> None:
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
            said = self._follow(action, media, Voice(media, console), progress)
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

    def _follow(self, action: Action, media: MediaServer, voice: Voice, progress: Progress) -> Event:
        """What the installer says when it is done."""
        last_word, limit = self.clock.monotonic(), self.limits.first_word
        power = _Power(self.bmc, self.clock, self.limits)
        while True:
            # asked first: what was said before the power went off is heard below
            off = power.is_off()
            for event in voice.events():
                last_word, limit = self.clock.monotonic(), self.limits.silent
                power.seen_on = True
                if self._is_done(event, action, media, voice, progress):
                    return event
            if off:
                what = "went off before the installer had done its work" if power.seen_on else "does not go on"
                raise self._failed(f"the machine {what}", voice)
            if self.clock.monotonic() - last_word > limit:
                raise self._failed(f"the installer has said nothing for {limit:.0f} s", voice)
            self.clock.sleep(self.limits.poll)

    def _is_done(self, event: Event, action: Action, media: MediaServer, voice: Voice, progress: Progress) -> bool:
        """Raises when the installer says that it has not done it."""
        phase = str(event.get("phase", ""))
        why = str(event.get("reason", ""))
        if phase == "refused":
            raise RefusedError(
                "the installer refuses its job",
                where=self.bmc.where,
                why=why,
                next_move="Correct the inventory or the machine; nothing was written.",
            )
        if phase == "failed":
            raise self._failed(f"the installer failed: {why}", voice)
        if phase == "done":
            if event.get("action") != action or not media.sent_bytes:
                raise self._failed("another installer than ours was started", voice)
            return True
        fraction = event.get("fraction")
        half = 0.5 if phase == "read-back" else 0.0
        done = half + 0.5 * min(max(float(fraction), 0.0), 1.0) if isinstance(fraction, int | float) else 0.0
        progress(0.15 + 0.6 * done, f"installer: {phase}")
        return False

    def _failed(self, what: str, voice: Voice) -> ApplianceError:
        tail = voice.tail()
        return ApplianceError(
            what,
            where=self.bmc.where,
            why=f"its console ends with: {tail}" if tail else "",
            next_move="See the machine's console, then try again: what was half written is written anew.",
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


class _Power:
    """Asks now and then whether the machine is off; a BMC that is silent for a moment is no reason to stop."""

    def __init__(self, bmc: Bmc, clock: Clock, limits: Limits) -> None:
        self._bmc, self._clock, self._limits = bmc, clock, limits
        self._began = self._answered = self._asked = clock.monotonic()
        self.seen_on = False

    def is_off(self) -> bool:
        """Off again, or still after all the time that going on may take.

        Raises UnreachableError when the BMC has been silent for too long.
        """
        if self._clock.monotonic() - self._asked < self._limits.power_poll:
            return False
        self._asked = self._clock.monotonic()
        try:
            on = self._bmc.is_on()
        except UnreachableError:
            if self._clock.monotonic() - self._answered > self._limits.bmc_silent:
                raise
            return False
        self._answered = self._clock.monotonic()
        self.seen_on = self.seen_on or on
        return not on and (self.seen_on or self._answered - self._began > self._limits.on)
