"""The report, read as people and programs read it."""
