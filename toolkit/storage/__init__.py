"""Files that are whole and on the disk, or as they were before; one translation of what the system says about them."""
