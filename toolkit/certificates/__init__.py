"""Certificate chains: read, order, judge, export, import, verify."""
