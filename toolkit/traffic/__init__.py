"""Moving the traffic: shared address, DNS."""
