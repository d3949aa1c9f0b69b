"""Removable media: sticks on which data travels by hand."""
