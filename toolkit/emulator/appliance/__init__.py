"""An appliance as a process: its own disk, its own addresses, HTTPS, both web interfaces and an automation API."""
