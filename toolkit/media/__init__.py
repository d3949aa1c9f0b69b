"""Removable media: what is carried by hand, said to be on a stick when it is known to be, used only when whole."""
