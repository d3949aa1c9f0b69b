"""Procedures: pure functions from inventory and facts to a plan."""
