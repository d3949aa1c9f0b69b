"""The watch follows a name: one resolver is asked again and again, and its answer becomes the target."""

import time

from toolkit.probes.dns import ask
from toolkit.probes.watch.worker import Pace, Worker


def watch_name(worker: Worker) -> None:
    """Until asked to end; a resolver that does not answer leaves the target as it is."""
    request = worker.request
    record_type = "A" if worker.target.address.version == 4 else "AAAA"
    pace = Pace(request.resolver_interval_ms)
    worker.lines.add_line({"at_ms": worker.now_us() / 1000.0, "address": str(worker.target.address)})
    while not worker.stopping:
        left = pace.left_s()
        if left > 0:
            time.sleep(left)
        answer = ask(
            request.https_name or "", request.resolver or "", record_type, port=request.resolver_port, timeout_s=1.0
        )
        # several answers: as long as the present one is among them, users may still be there
        moved = answer.answers and str(worker.target.address) not in answer.answers
        if moved and worker.target.change(answer.answers[0]):
            worker.lines.add_line({"at_ms": worker.now_us() / 1000.0, "address": answer.answers[0]})
        pace.advance()
