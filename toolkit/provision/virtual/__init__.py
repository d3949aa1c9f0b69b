"""A new box as a virtual machine, made through libvirt on this host or another."""
