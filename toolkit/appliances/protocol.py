"""What the toolkit can ask of a box: one small protocol per capability, and the nouns they exchange.

Every driver is held to the same contract tests. Drivers raise only errors of `toolkit.model.errors`: UnreachableError
when the box does not answer, AuthenticationError when it refuses us or shows another TLS certificate than the pinned
one, ApplianceError when it will not or cannot.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from toolkit.model.box import (
    BoxAccounts,
    BoxStatus,
    CertificateEntry,
    Exposure,
    ImportResult,
    NetworkAddress,
    NetworkChange,
    NetworkInterface,
    NetworkSettings,
    PasswordChanges,
    RecordCounts,
    ResetStatus,
    SessionPage,
    TlsSettings,
    UpdateEntry,
    WantedNetwork,
)
from toolkit.model.execution import Progress

__all__ = [
    "Appliance",
    "BackedUp",
    "BoxAccounts",
    "BoxStatus",
    "CertificateEntry",
    "Certified",
    "Connected",
    "Exposure",
    "FirstContact",
    "Identified",
    "ImportResult",
    "NetworkAddress",
    "NetworkChange",
    "NetworkInterface",
    "NetworkSettings",
    "Networked",
    "OwnSettings",
    "PasswordChanges",
    "Progress",
    "RecordCounts",
    "Recorded",
    "ResetStatus",
    "Resettable",
    "SessionPage",
    "SiteUsers",
    "TlsSettings",
    "Updatable",
    "UpdateEntry",
    "WantedNetwork",
]


class Identified(Protocol):
    """Says who and how it is."""

    name: str
    address: str

    def status(self) -> BoxStatus:
        """*Status > Basics*; the reading changes nothing on the box."""
        ...

    def health(self) -> tuple[bool, str]:
        """Whether the box calls itself healthy, and its words; needs no account."""
        ...


class Networked(Protocol):
    """Shows and changes its network settings."""

    def network(self) -> NetworkSettings:
        """The network settings, which no backup holds."""
        ...

    def prepare_swing(self) -> None:
        """Does everything that can be done before a swing, so that the swing itself is one request."""
        ...

    def set_address_enabled(
        self, address: str, enabled: bool, *, after: Callable[[], object] | None = None
    ) -> NetworkAddress:
        """Ticks or clears *Enabled*; on the wire before it returns (requirement F6).

        With `after`, as much of the request as can be made beforehand is made, then `after` is called, then the
        request is completed at once. When `after` raises, nothing is changed on this box.
        """
        ...

    def define_address(self, address: str, prefix: int, interface: str) -> NetworkAddress:
        """Defines a shared address, disabled; one that is there already is returned as it is."""
        ...

    def remove_address(self, address: str) -> None:
        """Removes an address; one that is not there is no error."""
        ...


class OwnSettings(Protocol):
    """Shows and changes what the box itself is set to and no backup holds."""

    def begin_network_change(
        self, change_id: str, wanted: WantedNetwork, confirm_within_seconds: float
    ) -> NetworkChange:
        """Changes the network settings so that the box itself puts them back unless they are confirmed in time.

        `change_id` is drawn by the caller (hexadecimal); one that was begun before is returned as it stands.
        The box has the previous settings and the deadline on its disk when this returns. It may not be reachable
        afterwards, and is again after the deadline.
        """
        ...

    def network_change(self, change_id: str) -> NetworkChange:
        """How a change stands, asked over a connection opened for that."""
        ...

    def confirm_network_change(self, change_id: str) -> NetworkChange:
        """Keeps a change, over a connection opened for that: one that was there before the change proves nothing."""
        ...

    def revert_network_change(self, change_id: str) -> NetworkChange:
        """Has a change undone before its deadline; one that has been undone is no error."""
        ...

    def tls_settings(self) -> TlsSettings:
        """Which TLS it takes."""
        ...

    def set_tls_settings(self, settings: TlsSettings) -> TlsSettings:
        """Replaces them, from the next handshake on."""
        ...

    def accounts(self) -> BoxAccounts:
        """The accounts of the box itself, by name; never a password."""
        ...


class Certified(Protocol):
    """Holds certificates and serves them per address (requirements H3, H4)."""

    def certificates(self) -> tuple[CertificateEntry, ...]:
        """The rows of *Security > Certificates*."""
        ...

    def export_certificate(self, certificate_id: int, passphrase: str) -> bytes:
        """Chain and key as PEM, the key encrypted with `passphrase`; removes nothing (requirement H3)."""
        ...

    def import_certificate(self, content: bytes, passphrase: str | None) -> CertificateEntry:
        """Imports leaf, chain and key together or not at all; the same certificate again is no error."""
        ...

    def assign_certificate(self, certificate_id: int, addresses: Sequence[str]) -> CertificateEntry:
        """Serves the certificate on `addresses` at once, with SNI or without (requirement H4)."""
        ...

    def delete_certificate(self, certificate_id: int) -> None:
        """Removes a certificate and its key; one that is in use is refused."""
        ...


class BackedUp(Protocol):
    """Gives and takes backups of its settings (requirements U9, H2, H6)."""

    def download_backup(self, target: Path, passphrase: str, progress: Progress) -> None:
        """Writes the settings backup to `target` (new, mode 0600, on disk when it returns)."""
        ...

    def restore_backup(self, source: Path, passphrase: str, progress: Progress) -> RecordCounts:
        """Restores a settings backup, all of it or nothing (requirement H6)."""
        ...

    def settings(self, kind: str) -> tuple[dict[str, JsonValue], ...]:
        """All records of a kind (users, teams, jump-clients, options), each with a stable `id`."""
        ...


class SiteUsers(Protocol):
    """Users of the support site, as far as no backup and no list tells of them."""

    def password_changes(self, after: int) -> PasswordChanges:
        """Whose passwords were changed since the box noted its change number `after`; 0: since it was made."""
        ...

    def disable_user(self, user_id: str) -> None:
        """Ends the user's sessions and forgets the password; one that is disabled already is no error."""
        ...


class Recorded(Protocol):
    """Gives and takes session records and recordings, which no settings backup holds (requirement A5)."""

    def sessions(self, after: int, limit: int) -> SessionPage:
        """At most `limit` session records with a sequence number above `after`, in order."""
        ...

    def recording(self, lsid: str, offset: int) -> Iterator[bytes]:
        """The recording of session `lsid` from byte `offset` on, in pieces."""
        ...

    def import_sessions(self, sessions: Sequence[dict[str, JsonValue]]) -> ImportResult:
        """Puts session records back; those that are there already stay as they are."""
        ...

    def import_recording(self, lsid: str, chunks: Iterator[bytes], size_bytes: int, sha256: str) -> ImportResult:
        """Puts one recording back; the box compares the hash before it keeps it."""
        ...


class Updatable(Protocol):
    """Lists, checks and installs updates (requirements U1, U2, U10)."""

    def check_for_updates(self) -> tuple[UpdateEntry, ...]:
        """Asks the update server what there is for this box (requirements U1, U2)."""
        ...

    def eula(self, update_id: str) -> str:
        """The licence text of a package."""
        ...

    def accept_eula(self, update_id: str, text: str, signed_by: str) -> None:
        """Signs the text that was read (requirement U10)."""
        ...

    def install_update(self, update_id: str, progress: Progress) -> None:
        """Installs a package and returns when the box serves again (requirements U1, U7)."""
        ...


class Resettable(Protocol):
    """Can be reset to factory defaults and shut down (requirement H8)."""

    def reset(self, serial_number: str, progress: Progress) -> ResetStatus:
        """Resets to factory defaults; returns when the box says it is complete (requirement H8)."""
        ...

    def reset_status(self) -> ResetStatus:
        """How far a reset is; needs no account."""
        ...

    def exposure(self, site_names: Sequence[str]) -> Exposure:
        """What it gives away to a stranger and to our old account, by every documented call that gives something.

        Pages are asked for by the box's address and by `site_names`. Changes nothing on a box that is as a factory
        box has to be.
        """
        ...

    def shut_down(self) -> None:
        """Shuts the box down; returns when it answers no more."""
        ...


class FirstContact(Protocol):
    """Takes a factory box into use: changes its default password and makes our account."""

    def take_into_use(self) -> bool:
        """Changes the factory password and makes our API account; False when both were done before."""
        ...

    def can_sign_in(self) -> bool:
        """Whether our API account works."""
        ...

    def trust(self, certificate_sha256: str) -> None:
        """Accepts one more TLS certificate (SHA-256, hexadecimal) on the box's own address."""
        ...


class Connected(Protocol):
    """Holds connections to the box."""

    def close(self) -> None:
        """Hangs up; the next call dials again."""
        ...

    def within(self, seconds: float, answer_seconds: float | None = None) -> AbstractContextManager[None]:
        """Inside, a box that is silent for so long raises UnreachableError, and nothing else is waited for.

        With `answer_seconds`, the connection must come about within `seconds`, each answer on it within those.
        """
        ...


class Appliance(
    Identified,
    Networked,
    OwnSettings,
    Certified,
    BackedUp,
    SiteUsers,
    Recorded,
    Updatable,
    Resettable,
    FirstContact,
    Connected,
    Protocol,
):
    """A box with every capability the migration needs."""
