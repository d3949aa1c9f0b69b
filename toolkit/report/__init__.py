"""What people and programs get of a run: html, json, runbook."""

from toolkit.report.write import write_report

__all__ = ["write_report"]
