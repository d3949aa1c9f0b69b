"""What must be safe before traffic moves, and before the old box is reset."""

from toolkit.backup.age import (
    DamagedIdentityError,
    MissingIdentityError,
    WrongIdentityError,
    WrongPassphraseError,
)
from toolkit.backup.steps import witness_backups_intact, witness_records
from toolkit.model.errors import BackupError
from toolkit.model.execution import Outcome, StepContext, witness
from toolkit.model.plan import GateReference


def backup_intact(context: StepContext, gate: GateReference) -> Outcome:
    """Every byte of the run's backups read back as it was written, and opened, and nobody has touched them since."""
    try:
        return witness_backups_intact(context)
    except (MissingIdentityError, WrongIdentityError, WrongPassphraseError, DamagedIdentityError):
        # without the key nothing can be said about what it opens
        raise
    except BackupError as error:
        # it was looked at and found damaged, which is more than not to know
        return witness(context, probe="file", subject="backup", summary=str(error), passed=False)


def records_complete(context: StepContext, gate: GateReference) -> Outcome:
    """Nothing the old box holds is missing in the archive, counted now."""
    return witness_records(context)
