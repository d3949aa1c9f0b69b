"""An emulated appliance: a process with a disk folder and network addresses of its own."""
