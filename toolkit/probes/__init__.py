"""Packets: what the network itself says."""
