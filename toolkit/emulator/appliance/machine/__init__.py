"""A box that is a whole machine, virtual or metal: its disks, its port, its first power-on from a seed."""
