"""Strangers to the toolkit: an appliance, its update server, its clients."""
