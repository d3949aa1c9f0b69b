"""Durable runs: gates, locks, recovery, going back."""
