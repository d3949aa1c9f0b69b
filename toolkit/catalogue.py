"""Every kind of step and every gate by the name that plans know it by."""

from toolkit.backup.gates import backup_intact, records_complete
from toolkit.backup.steps import (
    BackUpSettings,
    CollectLateRecords,
    ExtractRecords,
    PutBackRecords,
    RestoreSettings,
    VerifyBackups,
)
from toolkit.backup.stranded import CollectFromNew
from toolkit.box_settings.gates import no_dangling_references
from toolkit.box_settings.steps import CaptureBoxSettings, CarryBoxSettings
from toolkit.certificates.steps import ExportCertificate, ImportCertificate
from toolkit.drift.gates import changes_settled, old_unchanged, settings_compared
from toolkit.drift.steps import CarryChanges, CarryLateChanges
from toolkit.media.steps import MoveStick, PlugStick, ReadStick, WriteStick
from toolkit.model.execution import GateImplementation, StepImplementation
from toolkit.provision.metal.by_hand import InstallByHand
from toolkit.provision.steps import ProvisionNew, TakeIntoUse
from toolkit.reset.disks import WipeOld
from toolkit.reset.firmware import ResetFirmware
from toolkit.reset.gates import old_was_reset, serial_confirmed, soak_passed, wipe_confirmed
from toolkit.reset.quarantining import Quarantining
from toolkit.reset.settings import ResetOld
from toolkit.reset.shut_down import ShutDownOld
from toolkit.traffic.dns_swing import LowerTtl, PutBackTtl, SwingDns
from toolkit.traffic.gates import (
    new_address_free,
    new_proven,
    new_serves_site,
    no_active_sessions,
    old_idle,
    old_out_of_service,
    old_owns_site,
)
from toolkit.traffic.looks import InspectOld, ProveNew
from toolkit.traffic.serving import ProveServed
from toolkit.traffic.shared_address import SwingSharedAddress
from toolkit.traffic.soak import Soak
from toolkit.traffic.watching import EndWatch, ProveSite, StartWatch, StopWatch, site_watched
from toolkit.upgrade.gates import eula_accepted, package_new_enough
from toolkit.upgrade.steps import InstallSitePackage

STEPS: dict[str, StepImplementation] = {
    "inspect-old": InspectOld(),
    "capture-box-settings": CaptureBoxSettings(),
    "provision-new": ProvisionNew(),
    "provision-by-hand": InstallByHand(),
    "take-into-use": TakeIntoUse(),
    "back-up-settings": BackUpSettings(),
    "extract-records": ExtractRecords(),
    "export-certificate": ExportCertificate(),
    "plug-stick": PlugStick(),
    "write-stick": WriteStick(),
    "move-stick": MoveStick(),
    "read-stick": ReadStick(),
    "carry-box-settings": CarryBoxSettings(),
    "install-site-package": InstallSitePackage(),
    "import-certificate": ImportCertificate(),
    "restore-settings": RestoreSettings(),
    "put-back-records": PutBackRecords(),
    "prove-new": ProveNew(),
    "verify-backups": VerifyBackups(),
    "lower-ttl": LowerTtl(),
    "start-watch": StartWatch(),
    "carry-changes": CarryChanges(),
    "swing-shared-address": SwingSharedAddress(),
    "swing-dns": SwingDns(),
    "prove-site": ProveSite(),
    "put-back-ttl": PutBackTtl(),
    "collect-from-new": CollectFromNew(),
    "prove-served": ProveServed(),
    "collect-late-records": CollectLateRecords(),
    "carry-late-changes": CarryLateChanges(),
    "soak": Soak(),
    "reset-old": Quarantining(ResetOld()),
    "wipe-old": Quarantining(WipeOld()),
    "reset-firmware": Quarantining(ResetFirmware()),
    "shut-down-old": ShutDownOld(),
    "end-watch": EndWatch(),
    "stop-watch": StopWatch(),
}

GATES: dict[str, GateImplementation] = {
    "eula-accepted": eula_accepted,
    "package-new-enough": package_new_enough,
    "new-address-free": new_address_free,
    "no-dangling-references": no_dangling_references,
    "new-proven": new_proven,
    "old-owns-site": old_owns_site,
    "backup-intact": backup_intact,
    "site-watched": site_watched,
    "no-active-sessions": no_active_sessions,
    "serial-confirmed": serial_confirmed,
    "wipe-confirmed": wipe_confirmed,
    "old-was-reset": old_was_reset,
    "soak-passed": soak_passed,
    "settings-compared": settings_compared,
    "new-serves-site": new_serves_site,
    "old-idle": old_idle,
    "old-out-of-service": old_out_of_service,
    "records-complete": records_complete,
    "old-unchanged": old_unchanged,
    "changes-settled": changes_settled,
}
