"""Disks as block devices: what they are, written and wiped from end to end; with Python's own library only.

The installer on a bare machine has no more than that.
"""
