"""Whether an HTTPS service is healthy: its status code, and the certificate it served with it."""

import hashlib
import http.client
import time

from toolkit.model.verdict import Verdict
from toolkit.probes.results import ProbeResult
from toolkit.probes.tls import handshake


class HttpsResult(ProbeResult):
    """One request over a new connection: passed with a 2xx or 3xx status. The certificate is seen, not verified."""

    address: str
    port: int
    server_name: str | None
    path: str
    status: int | None
    sha256: str | None
    answer_ms: float | None
    problem: str


def get_health(
    address: str,
    port: int = 443,
    *,
    server_name: str | None = None,
    path: str = "/check_health",
    timeout_s: float = 5.0,
) -> HttpsResult:
    """Asks for one page over TLS with the given SNI and Host; raises InputError, nothing for what the network does."""
    status, fingerprint, answer_ms, problem = None, None, None, ""
    started = time.monotonic()
    try:
        with handshake(address, port, server_name=server_name, timeout_s=timeout_s) as connection:
            fingerprint = hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
            request = http.client.HTTPConnection(server_name or _host(address), port, timeout=timeout_s)
            request.sock = connection
            request.request("GET", path, headers={"Connection": "close"})
            answer = request.getresponse()
            status = answer.status
            answer.read(65536)
            answer_ms = (time.monotonic() - started) * 1000.0
    except (OSError, http.client.HTTPException) as error:
        problem = str(getattr(error, "strerror", None) or error) or type(error).__name__
    healthy = status is not None and 200 <= status < 400
    told = f"answers {status}" if status is not None else f"does not answer: {problem}"
    return HttpsResult(
        verdict=Verdict.PASSED if healthy else Verdict.FAILED,
        summary=f"https on {address} port {port} {told}",
        address=address,
        port=port,
        server_name=server_name,
        path=path,
        status=status,
        sha256=fingerprint,
        answer_ms=answer_ms,
        problem=problem,
    )


def _host(address: str) -> str:
    return f"[{address.partition('%')[0]}]" if ":" in address else address
