"""The box: one object that holds its services; the API and the pages call nothing else.

The pages take it from `request.app.state.box`. Every rule lives in a service; a service refuses by raising
`refusal.Refusal` and has then changed nothing. Methods that change something take `by` (who asks, e.g.
`WebSession.actor`) first and write the audit themselves.
"""

from datetime import datetime

from pydantic import JsonValue

from toolkit.emulator.appliance.accounts import Accounts
from toolkit.emulator.appliance.backups import Backups
from toolkit.emulator.appliance.certificates import Certificates
from toolkit.emulator.appliance.content import Content
from toolkit.emulator.appliance.facts import AuditEntry, Status
from toolkit.emulator.appliance.network import Network
from toolkit.emulator.appliance.power import Power
from toolkit.emulator.appliance.protocols import BoxClock, JobList, SoftwareVersions, UpdateService


class Box:
    """A powered-on appliance."""

    network: Network
    certificates: Certificates
    accounts: Accounts
    content: Content
    backups: Backups
    power: Power
    updates: UpdateService
    jobs: JobList
    versions: SoftwareVersions
    clock: BoxClock

    def status(self) -> Status:
        """*Status > Basics*."""
        raise NotImplementedError

    def health(self) -> tuple[bool, str]:
        """Whether the site can be used, and why not."""
        raise NotImplementedError

    def set_clock(self, by: str, time: datetime) -> datetime:
        """Sets the box's clock; it runs on from there."""
        raise NotImplementedError

    def record(self, by: str, action: str, **detail: JsonValue) -> None:
        """Writes one line of the audit."""
        raise NotImplementedError

    def audit(self, after: int) -> tuple[AuditEntry, ...]:
        """What was changed, by whom, with `seq` greater than `after`."""
        raise NotImplementedError
