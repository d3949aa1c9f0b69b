"""Factory reset, wipe and their records."""
