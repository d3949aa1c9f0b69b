"""Builds a world from a topology file."""
