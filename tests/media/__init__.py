"""Sticks: what is carried by hand."""
