"""The program on the installer's ISO: alone on a machine, it writes or wipes one disk; Python's own library only."""
