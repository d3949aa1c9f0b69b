"""*Management > Software Management*: Download Backup and Restore Settings."""

from pathlib import Path

from toolkit.emulator.appliance.facts import RecordCounts


class Backups:
    """Makes and takes back settings backups."""

    def make(self, by: str, passphrase: str | None) -> tuple[Path, str]:
        """A file to be sent and then unlinked by the caller, and the name to offer it under; 409 `no_site_package`."""
        raise NotImplementedError

    def restore(self, by: str, source: Path, passphrase: str | None) -> RecordCounts:
        """All or nothing; 409 `no_site_package`, 422 `wrong_passphrase`, `passphrase_required`, `corrupt_backup`…"""
        raise NotImplementedError
