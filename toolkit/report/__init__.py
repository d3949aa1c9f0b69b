"""What people and programs get of a run: html, json, runbook."""
