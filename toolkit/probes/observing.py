"""A TLS context that only looks; Python's own library only, since the watch on another machine uses it too."""

import ssl
from typing import Literal

TlsVersion = Literal["1.2", "1.3"]
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def observing_context(version: TlsVersion | None = None) -> ssl.SSLContext:
    """A context that verifies nothing and speaks to old servers too: it looks at what is served, it trusts nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # weak keys and signatures are to be seen and reported, not to end the handshake
    context.set_ciphers("ALL:@SECLEVEL=0")
    if version is not None:
        context.minimum_version = context.maximum_version = _VERSIONS[version]
    return context
