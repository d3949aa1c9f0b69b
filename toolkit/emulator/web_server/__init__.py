"""The HTTPS server of the emulated machines: limits, time limits, and HTTP/1.1 as strictly as RFC 9112 allows."""
