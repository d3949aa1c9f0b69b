"""The watch's HTTPS requests: a new TLS connection each, the certificate served, and the health status."""

import asyncio
import contextlib
import hashlib
import ssl

from toolkit.probes.tls import observing_context
from toolkit.probes.watch.worker import Pace, Worker

_HEAD_BYTES_MAX = 4096


class HttpsWatch:
    """Runs in a process of its own, so that its handshakes never disturb the faster methods."""

    def __init__(self, worker: Worker, certificates: "CertificateLog") -> None:
        self._worker = worker
        self._certificates = certificates
        self._context: ssl.SSLContext = observing_context()
        self._running: set[asyncio.Task[None]] = set()

    def run(self) -> None:
        """Until asked to end, and then until the last requests are settled."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        # a connection that breaks in the middle is what is measured, not an event to log
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        pace = Pace(self._worker.request.https_interval_ms)
        sequence = 0
        while not self._worker.stopping:
            left = pace.left_s()
            if left > 0:
                await asyncio.sleep(left)
            self._worker.sent(sequence, self._worker.now_us())
            task = asyncio.create_task(self._ask(sequence))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            sequence += 1
            self._worker.flush_when_due()
            pace.advance()
        if self._running:
            await asyncio.wait(self._running, timeout=self._worker.request.timeout_ms / 1000.0 + 1.0)

    async def _ask(self, sequence: int) -> None:
        # OSError: no connection; ValueError: what came was no HTTP; both are losses, and the samples say so
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(self._worker.request.timeout_ms / 1000.0):
                status = await self._status()
            if status < 500:
                self._worker.answered(sequence, self._worker.now_us())

    async def _status(self) -> int:
        request = self._worker.request
        address = str(self._worker.target.address)
        reader, writer = await asyncio.open_connection(
            address, request.https_port, ssl=self._context, server_hostname=request.https_name, limit=_HEAD_BYTES_MAX
        )
        try:
            der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
            fingerprint = hashlib.sha256(der).hexdigest()
            status = None
            try:
                head = f"GET {request.https_path} HTTP/1.1\r\nHost: {request.https_name}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode())
                line = await reader.readuntil(b"\r\n")
                status = int(line.split()[1])
            finally:
                self._certificates.seen(self._worker.now_us(), fingerprint, status, address)
            return status
        finally:
            writer.transport.abort()


class CertificateLog:
    """Writes down every change of certificate, health status or address, and nothing while they stay."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._last: tuple[str, int | None, str] | None = None

    def seen(self, at_us: int, sha256: str, status: int | None, address: str) -> None:
        """One answer."""
        if (sha256, status, address) != self._last:
            self._last = (sha256, status, address)
            self._worker.lines.add_line(
                {"at_ms": at_us / 1000.0, "sha256": sha256, "status": status, "address": address}
            )
