"""The driver for the emulated appliance: its automation API (docs/appliance-api.md) as the appliance protocol."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
from pydantic import JsonValue

from toolkit.appliances.connection import BoxConnection, BoxRefusedError, wait_until
from toolkit.appliances.emulated_exposure import look_from_outside
from toolkit.appliances.protocol import (
    BoxAccounts,
    BoxStatus,
    CertificateEntry,
    Exposure,
    ImportResult,
    NetworkAddress,
    NetworkChange,
    NetworkSettings,
    PasswordChanges,
    Progress,
    RecordCounts,
    ResetStatus,
    SessionPage,
    TlsSettings,
    UpdateEntry,
    WantedNetwork,
)
from toolkit.model.errors import (
    ApplianceError,
    AuthenticationError,
    InputError,
    ReboxError,
    UnreachableError,
    VerificationError,
)
from toolkit.storage.whole_file import WholeFile

_API = "/api/v1"
_FACTORY_USER, _FACTORY_PASSWORD = "admin", "password"
_INSTALL_SECONDS_MAX = 3600.0
_RESTART_SECONDS_MAX = 120.0
_SILENT_SECONDS_MAX = 300.0
"""How long a box with a job under way may be away: it starts again in between, and some take minutes for that."""

_BUSY = ("installing", "conflict")
_RESET_SECONDS_MAX = 3600.0


class EmulatedAppliance:
    """A box behind the automation API; implements `appliances.protocol.Appliance`."""

    def __init__(
        self,
        connection: BoxConnection,
        *,
        client_id: str,
        client_secret: Callable[[], str],
        admin_password: Callable[[], str] | None = None,
        first_password: Callable[[], str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = connection.name
        self.address = connection.address
        self._connection = connection
        self._client_id = client_id
        self._client_secret = client_secret
        self._admin_password = admin_password
        self._first_password = first_password
        self._sleep = sleep
        self._monotonic = monotonic
        self._address_ids: dict[str, int] = {}

    def close(self) -> None:
        """Hangs up; the next call dials again."""
        self._connection.close()

    def within(self, seconds: float, answer_seconds: float | None = None) -> AbstractContextManager[None]:
        """Inside, a box that is silent for so long counts as one that does not answer."""
        return self._connection.within(seconds, answer_seconds)

    def trust(self, certificate_sha256: str) -> None:
        """Accepts one more certificate on the box's own address: one that we put there, or that it announced."""
        self._connection.pins.add(certificate_sha256)

    # ------------------------------------------------------------------------------------------ who and how

    def status(self) -> BoxStatus:
        """The box as it is now."""
        return BoxStatus.model_validate(self._connection.get(f"{_API}/status"))

    def health(self) -> tuple[bool, str]:
        """Whether the box calls itself healthy, and its words; needs no account."""
        try:
            response = self._connection.request("GET", "/check_health", signed=False)
        except BoxRefusedError as error:
            return False, error.why
        return response.status_code == 200, response.text.strip()

    # ------------------------------------------------------------------------------------------ first contact

    def take_into_use(self) -> bool:
        """Changes the factory password and makes our API account; False when both were done before."""
        if self._admin_password is None:
            raise InputError(
                "the new admin password is not given",
                where=self._connection.where,
                next_move="Add admin_password to the box in the inventory.",
            )
        password = self._admin_password()
        changed = self._change_first_password(password)
        response = self._connection.change(
            "PUT",
            f"{_API}/api-accounts/{self._client_id}",
            signed=False,
            auth=(_FACTORY_USER, password),
            json={"client_secret": self._client_secret()},
        )
        return changed or response.status_code == 201

    def _change_first_password(self, password: str) -> bool:
        first = self._first_password() if self._first_password else _FACTORY_PASSWORD
        body = {"username": _FACTORY_USER, "password": first, "new_password": password}
        try:
            self._connection.change("POST", f"{_API}/setup/password", signed=False, json=body)
        except BoxRefusedError as error:
            if error.box_code == "already_set_up":
                return False
            raise
        return True

    def can_sign_in(self) -> bool:
        """Whether our API account works."""
        try:
            self._connection.sign_in()
        except AuthenticationError:
            return False
        return True

    # ---------------------------------------------------------------------------------------------- network

    def network(self) -> NetworkSettings:
        """The network settings, which no backup holds."""
        settings = NetworkSettings.model_validate(self._connection.get(f"{_API}/network"))
        self._address_ids = {entry.address: entry.id for entry in settings.addresses}
        return settings

    def prepare_swing(self) -> None:
        """Opens the connection, signs in and learns the address numbers, so that the swing itself is one request."""
        self.network()

    def set_address_enabled(
        self, address: str, enabled: bool, *, after: Callable[[], object] | None = None
    ) -> NetworkAddress:
        """Ticks or clears *Enabled* of an address (requirement F6).

        With `after`, the box has the head of the request and is waiting for its body while `after` runs.
        """
        if address not in self._address_ids:
            self.network()
        if address not in self._address_ids:
            raise ApplianceError(
                f"the address {address} is not defined on the box",
                where=self._connection.where,
                next_move="Define it as a shared address under Networking > IP Configuration, disabled, then resume.",
            )
        path = f"{_API}/network/addresses/{self._address_ids[address]}"
        if after is None:
            answer = self._connection.change("PATCH", path, json={"enabled": enabled})
        else:
            answer = self._connection.change_after(after, "PATCH", path, {"enabled": enabled})
        return NetworkAddress.model_validate(answer.json())

    def define_address(self, address: str, prefix: int, interface: str) -> NetworkAddress:
        """Defines a shared address, disabled; the one that is there already is returned as it is."""
        present = {entry.address: entry for entry in self.network().addresses}
        if address in present:
            return present[address]
        body = {"address": address, "prefix": prefix, "interface": interface, "shared": True, "enabled": False}
        answer = self._connection.change("POST", f"{_API}/network/addresses", json=body)
        return NetworkAddress.model_validate(answer.json())

    def remove_address(self, address: str) -> None:
        """Removes an address that is there; one that is not there is no error."""
        for entry in self.network().addresses:
            if entry.address == address:
                self._connection.change("DELETE", f"{_API}/network/addresses/{entry.id}")

    # ------------------------------------------------------------------------------- what no backup holds

    def begin_network_change(
        self, change_id: str, wanted: WantedNetwork, confirm_within_seconds: float
    ) -> NetworkChange:
        """Changes the network settings so that the box itself puts them back unless they are confirmed in time."""
        body = {"confirm_within_seconds": confirm_within_seconds, **wanted.model_dump(exclude_none=True)}
        answer = self._connection.change("PUT", f"{_API}/network/changes/{change_id}", json=body)
        return NetworkChange.model_validate(answer.json())

    def network_change(self, change_id: str) -> NetworkChange:
        """How a change stands, asked over a new connection."""
        self._connection.hang_up()
        return NetworkChange.model_validate(self._connection.get(f"{_API}/network/changes/{change_id}"))

    def confirm_network_change(self, change_id: str) -> NetworkChange:
        """Keeps a change, over a new connection: the box believes no other."""
        self._connection.hang_up()
        answer = self._connection.change("POST", f"{_API}/network/changes/{change_id}/confirm")
        return NetworkChange.model_validate(answer.json())

    def revert_network_change(self, change_id: str) -> NetworkChange:
        """Has a change undone before its deadline; one that has been undone is no error."""
        answer = self._connection.change("POST", f"{_API}/network/changes/{change_id}/revert")
        return NetworkChange.model_validate(answer.json())

    def tls_settings(self) -> TlsSettings:
        """Which TLS it takes."""
        return TlsSettings.model_validate(self._connection.get(f"{_API}/tls"))

    def set_tls_settings(self, settings: TlsSettings) -> TlsSettings:
        """Replaces them, from the next handshake on."""
        answer = self._connection.change("PUT", f"{_API}/tls", json=settings.model_dump(mode="json"))
        return TlsSettings.model_validate(answer.json())

    def accounts(self) -> BoxAccounts:
        """The accounts of the box itself, by name; never a password."""
        return BoxAccounts.model_validate(self._connection.get(f"{_API}/accounts"))

    # ------------------------------------------------------------------------------------------- certificates

    def certificates(self) -> tuple[CertificateEntry, ...]:
        """The rows of *Security > Certificates*."""
        return tuple(CertificateEntry.model_validate(row) for row in self._connection.get(f"{_API}/certificates"))

    def export_certificate(self, certificate_id: int, passphrase: str) -> bytes:
        """Chain and key as PEM, the key encrypted with `passphrase`; exporting removes nothing (requirement H3)."""
        body = {"include_key": True, "passphrase": passphrase, "format": "pem"}
        return self._connection.change("POST", f"{_API}/certificates/{certificate_id}/export", json=body).content

    def import_certificate(self, content: bytes, passphrase: str | None) -> CertificateEntry:
        """Imports leaf, chain and key together or not at all."""
        answer = self._connection.change(
            "POST",
            f"{_API}/certificates/import",
            files={"file": ("certificate.pem", content, "application/x-pem-file")},
            data={"passphrase": passphrase} if passphrase else {},
        )
        return CertificateEntry.model_validate(answer.json())

    def assign_certificate(self, certificate_id: int, addresses: Sequence[str]) -> CertificateEntry:
        """Serves the certificate on `addresses` from now on (requirement H4)."""
        answer = self._connection.change(
            "PUT", f"{_API}/certificates/{certificate_id}/addresses", json={"addresses": list(addresses)}
        )
        return CertificateEntry.model_validate(answer.json())

    def delete_certificate(self, certificate_id: int) -> None:
        """Removes a certificate and its key from the box."""
        self._connection.change("DELETE", f"{_API}/certificates/{certificate_id}")

    # ------------------------------------------------------------------------------------------------ backups

    def download_backup(self, target: Path, passphrase: str, progress: Progress) -> None:
        """Streams the settings backup into `target` (new, mode 0600): all of it, on the disk, or nothing."""
        progress(0.0, "downloading")
        response = self._connection.stream("POST", f"{_API}/backup", json={"passphrase": passphrase})
        try:
            with WholeFile(
                target,
                replace=False,
                what="the backup cannot be written",
                then="try again; the box is as it was",
            ) as file:
                for chunk in response.iter_bytes(1 << 20):
                    file.write(chunk)
                file.commit()
        except httpx.HTTPError as error:
            raise self._connection.translate(error) from None
        finally:
            response.close()
        progress(1.0, "downloaded")

    def restore_backup(self, source: Path, passphrase: str, progress: Progress) -> RecordCounts:
        """Uploads a settings backup; the box takes all of it or nothing (requirement H6)."""
        progress(0.0, "uploading")
        with source.open("rb") as file:
            answer = self._connection.change(
                "POST",
                f"{_API}/restore",
                files={"file": (source.name, file, "application/octet-stream")},
                data={"passphrase": passphrase},
            )
        progress(1.0, "restored")
        return RecordCounts.model_validate(answer.json())

    def settings(self, kind: str) -> tuple[dict[str, JsonValue], ...]:
        """All records of a kind: users, teams, jump-clients or options."""
        return tuple(self._connection.get(f"{_API}/settings/{kind}"))

    def password_changes(self, after: int) -> PasswordChanges:
        """Read off the audit, page by page; a user who was let in again has another password too."""
        names: set[str] = set()
        while lines := self._connection.get(f"{_API}/audit", params={"after": after}):
            after = int(lines[-1]["seq"])
            for line in lines:
                interface, _, username = str(line["actor"]).partition(":")
                if line["action"] == "change-password" and interface == "login":
                    names.add(username)
                elif line["action"] == "enable-user":
                    names.add(str(line["detail"]["username"]))
        return PasswordChanges(seq=after, usernames=tuple(sorted(names)))

    def disable_user(self, user_id: str) -> None:
        """Shuts a user of the support site out: sessions end, the password is forgotten."""
        self._connection.change("POST", f"{_API}/users/{user_id}/disable")

    # ------------------------------------------------------------------------------------------------ records

    def sessions(self, after: int, limit: int) -> SessionPage:
        """Session records with a sequence number above `after`, at most `limit`."""
        answer = self._connection.get(f"{_API}/sessions", params={"after": after, "limit": limit})
        return SessionPage.model_validate(answer)

    def recording(self, lsid: str, offset: int) -> Iterator[bytes]:
        """The recording of a session from byte `offset` on, in pieces."""
        response = self._connection.stream(
            "GET", f"{_API}/recordings/{lsid}", headers={"Range": f"bytes={offset}-"} if offset else {}
        )
        try:
            yield from response.iter_bytes(1 << 20)
        except httpx.HTTPError as error:
            raise self._connection.translate(error) from None
        finally:
            response.close()

    def import_sessions(self, sessions: Sequence[dict[str, JsonValue]]) -> ImportResult:
        """Puts session records back; those that are there already are left as they are."""
        answer = self._connection.change("POST", f"{_API}/sessions", json={"sessions": list(sessions)})
        return ImportResult.model_validate(answer.json())

    def import_recording(self, lsid: str, chunks: Iterator[bytes], size_bytes: int, sha256: str) -> ImportResult:
        """Puts one recording back; the box compares the hash before it keeps it."""
        try:
            response = self._connection.change(
                "PUT",
                f"{_API}/recordings/{lsid}",
                content=chunks,
                headers={
                    "Content-Type": "application/octet-stream",
                    "Content-SHA256": sha256,
                    "Content-Length": str(size_bytes),
                },
            )
        except BoxRefusedError as error:
            if error.box_code not in ("not_supported", "quota", "conflict"):
                raise
            return ImportResult(imported=0, already=0, refused=({"lsid": lsid, "reason": error.why},))
        return ImportResult(imported=int(response.status_code == 201), already=int(response.status_code == 200))

    # ------------------------------------------------------------------------------------------------ updates

    def check_for_updates(self) -> tuple[UpdateEntry, ...]:
        """Asks the update server what there is (requirement U1)."""
        answer = self._once_idle(lambda: self._connection.change("POST", f"{_API}/updates/check"))
        return tuple(UpdateEntry.model_validate(row) for row in answer.json())

    def eula(self, update_id: str) -> str:
        """The licence text of a package."""
        return self._connection.request("GET", f"{_API}/updates/{update_id}/eula").text

    def accept_eula(self, update_id: str, text: str, signed_by: str) -> None:
        """Signs the text that was read, by its hash (requirement U10)."""
        body = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "signed_by": signed_by}
        self._connection.change("POST", f"{_API}/updates/{update_id}/eula", json=body)

    def install_update(self, update_id: str, progress: Progress) -> None:
        """Installs a package and waits until the box serves again (requirements U1, U7).

        One that is under way, begun by an attempt that was cut short, is waited for and not begun again.
        """
        try:
            begun = self._once_idle(lambda: self._connection.change("POST", f"{_API}/updates/{update_id}/install"))
        except BoxRefusedError as error:
            if error.box_code != "installed":
                raise
        else:
            self._follow(str(begun.json()["id"]), progress, _INSTALL_SECONDS_MAX)
        if not self._wait(lambda: self._answers() and self.health()[0], _RESTART_SECONDS_MAX):
            raise UnreachableError(
                "the box does not serve again after the installation",
                where=self._connection.where,
                next_move="Do not reboot it (requirement U8); look at its console, then resume.",
            )

    def _once_idle(self, call: Callable[[], httpx.Response]) -> httpx.Response:
        """Makes a call that a box refuses or cuts off while it installs, again until it has ended that.

        A job that an earlier attempt has begun downloads while the box still takes calls, lets them wait, and ends
        them with all others when the services restart. So only for calls that may be made twice.
        """
        busy: list[ReboxError] = []
        answers: list[httpx.Response] = []

        def taken() -> bool:
            try:
                answers.append(call())
            except BoxRefusedError as error:
                if error.box_code not in _BUSY:
                    raise
                busy.append(error)
            except UnreachableError as error:
                if not self._wait(self._answers, _RESTART_SECONDS_MAX):
                    raise
                busy.append(error)
            return bool(answers)

        if not self._wait(taken, _INSTALL_SECONDS_MAX, interval=0.2):
            raise busy[-1]
        return answers[0]

    def _wait(self, check: Callable[[], bool], seconds: float, *, interval: float = 0.1) -> bool:
        return wait_until(check, seconds=seconds, interval=interval, sleep=self._sleep, monotonic=self._monotonic)

    def _answers(self) -> bool:
        try:
            self.health()
        except UnreachableError:
            return False
        return True

    def _follow(self, job: str, progress: Progress, seconds_max: float) -> None:
        """Follows a job to its end; the box may be away for some minutes while it starts again."""
        last: dict[str, Any] = {}
        heard = self._monotonic()

        def ended() -> bool:
            nonlocal heard
            try:
                last.update(self._connection.get(f"{_API}/jobs/{job}"))
            except UnreachableError as error:
                if self._monotonic() - heard > _SILENT_SECONDS_MAX:
                    raise UnreachableError(
                        f"the box has not answered for {_SILENT_SECONDS_MAX:.0f} s, with a job under way",
                        where=self._connection.where,
                        why=error.why,
                        next_move="Look at its console; once it answers again, resume: what is under way is followed.",
                    ) from None
                return False
            except BoxRefusedError:
                return False
            heard = self._monotonic()
            progress(float(last["progress"]), str(last["phase"]))
            return last["state"] in ("complete", "failed")

        if not self._wait(ended, seconds_max):
            raise UnreachableError(
                f"job {job} does not end",
                where=self._connection.where,
                why=f"waited {seconds_max:.0f} s",
                next_move="Look at the box's console; do not reboot it (requirement U8).",
            )
        if last["state"] == "failed":
            error = last.get("error") or {}
            raise ApplianceError(
                f"the box could not finish: {last.get('kind', 'job')}",
                where=self._connection.where,
                why=str(error.get("message", "it gave no reason")),
                next_move="Do not reboot it (requirement U8); mend the reason, then resume.",
            )

    # ------------------------------------------------------------------------------------- the end of a box

    def reset(self, serial_number: str, progress: Progress) -> ResetStatus:
        """Resets the box to factory defaults and waits until it says complete (requirement H8)."""
        if self.reset_status().state == "none":
            answer = self._connection.change("POST", f"{_API}/reset", json={"serial_number": serial_number}).json()
            self.trust(str(answer["next_tls_sha256"]))
        progress(0.1, "resetting")
        status = self._wait_for_reset(progress)
        if status.serial_number != serial_number:
            raise VerificationError(
                "another box answers at this address",
                where=self._connection.where,
                why=f"expected serial number {serial_number}, found {status.serial_number}",
                next_move="Check the cabling and the address; nothing was done to that box.",
            )
        return status

    def _wait_for_reset(self, progress: Progress) -> ResetStatus:
        latest: list[ResetStatus] = []

        def complete() -> bool:
            try:
                latest.append(self.reset_status())
            except (UnreachableError, BoxRefusedError):
                return False
            return latest[-1].state == "complete"

        if not self._wait(complete, _RESET_SECONDS_MAX):
            raise UnreachableError(
                "the reset does not become complete",
                where=self._connection.where,
                next_move="Look at the box's console; do not ship it: its data may still be there.",
            )
        progress(1.0, "complete")
        return latest[-1]

    def reset_status(self) -> ResetStatus:
        """How far a reset is; needs no account."""
        answer = self._connection.request("GET", f"{_API}/reset", signed=False)
        return ResetStatus.model_validate(answer.json())

    def exposure(self, site_names: Sequence[str]) -> Exposure:
        """What it gives away to a stranger and to our old account (requirement H8)."""
        return look_from_outside(
            self._connection, (_FACTORY_USER, _FACTORY_PASSWORD), signs_in=self.can_sign_in, site_names=site_names
        )

    def shut_down(self) -> None:
        """Shuts the box down and waits until it answers no more."""
        factory = self.reset_status().state == "complete"
        account: dict[str, Any] = {"signed": False, "auth": (_FACTORY_USER, _FACTORY_PASSWORD)} if factory else {}
        self._connection.change("POST", f"{_API}/power/shut-down", **account)
        if not self._wait(lambda: not self._answers(), 60):
            raise ApplianceError(
                "the box was told to shut down and still answers",
                where=self._connection.where,
                next_move="Look at its console, then switch it off there.",
            )
