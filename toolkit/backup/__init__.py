"""Backups and archives: downloaded, encrypted, read back, restored, compared."""
