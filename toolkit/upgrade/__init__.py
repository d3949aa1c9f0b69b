"""Updates of the two software layers: what is installed, in which order."""
