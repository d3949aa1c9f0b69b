"""The appliance protocol and its drivers: how the toolkit talks to a box, whatever kind it is."""
