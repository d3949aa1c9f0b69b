"""A world in network namespaces, built from a small topology file: boxes, clients, DNS, an update server, a bridge."""
