"""The watch's HTTPS requests: a new TLS connection each, the certificate served, and the health status."""

import asyncio
import hashlib
import socket
import ssl

from toolkit.probes.observing import observing_context
from toolkit.probes.sockets import family_of, socket_address
from toolkit.probes.watch.worker import Pace, Worker

_HEAD_BYTES_MAX = 4096


class HttpsWatch:
    """Runs in a process of its own, so that its handshakes never disturb the faster methods."""

    def __init__(self, worker: Worker, certificates: "CertificateLog") -> None:
        self._worker = worker
        self._certificates = certificates
        self._context: ssl.SSLContext = observing_context()
        self._running: set[asyncio.Task[None]] = set()
        # requests whose connection stood: what ends them now cuts something that was under way
        self._stood: set[int] = set()

    def run(self) -> None:
        """Until asked to end, and then until the last requests are settled."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        # a connection that breaks in the middle is what is measured, not an event to log
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        pace = Pace(self._worker.request.https_interval_ms)
        sequence = self._worker.first_sequence
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
            await asyncio.wait(self._running, timeout=self._worker.request.timeout_ms / 1000.0)

    async def _ask(self, sequence: int) -> None:
        """One request; what has hung is left hanging for as long as a user would wait."""
        well = False
        try:
            async with asyncio.timeout(self._worker.request.patience_ms / 1000.0):
                well = await self._status(sequence) < 500
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # OSError: no connection, or none any more; ValueError: what came was no HTTP
        else:
            self._stood.discard(sequence)  # a sick service has answered: it is none, but nothing was cut
        finally:
            now_us, stood = self._worker.now_us(), sequence in self._stood
            self._stood.discard(sequence)
            if well:
                self._worker.answered(sequence, now_us)
            else:
                self._worker.failed(sequence, now_us, stood=stood)

    async def _status(self, sequence: int) -> int:
        request = self._worker.request
        address = self._worker.target.address
        caller = socket.socket(family_of(address), socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            await asyncio.get_running_loop().sock_connect(caller, socket_address(address, request.https_port))
            self._stood.add(sequence)
            reader, writer = await asyncio.open_connection(
                sock=caller, ssl=self._context, server_hostname=request.https_name, limit=_HEAD_BYTES_MAX
            )
        except BaseException:
            caller.close()
            raise
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
                self._certificates.seen(self._worker.now_us(), fingerprint, status, str(address))
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
