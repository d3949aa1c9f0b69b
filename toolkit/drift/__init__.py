"""What has changed on the old box since it was carried to the new one: found, carried over, or told."""
