"""Comparisons with the tools that people use today; `python -m benchmarks` runs them all."""
