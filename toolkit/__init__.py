"""rebox: replaces and upgrades network appliances, and proves every step by what the network shows."""
