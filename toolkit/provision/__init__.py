"""Where a new box comes from."""
