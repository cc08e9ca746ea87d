"""Counts of the services, told in the text format of Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Labels = tuple[tuple[str, str], ...]

HELP: Mapping[str, tuple[str, str]] = {
    "wangp_http_requests_total": ("counter", "Requests answered, by service, method, path and status."),
    "wangp_jobs_total": ("counter", "Jobs that have ended, by service and outcome."),
    "wangp_job_seconds": ("summary", "Seconds from the start of the work on a job to its end."),
    "wangp_job_wait_seconds": ("summary", "Seconds that a job waited in the queue."),
    "wangp_outputs_total": ("counter", "Files that jobs have made."),
    "wangp_queue_tasks": ("gauge", "Tasks in the queue, by state; those of the page and of Python programs too."),
    "wangp_webhooks_waiting": ("gauge", "Messages to webhooks that are not delivered yet."),
    "process_start_time_seconds": ("gauge", "When the program started, in seconds since 1970."),
    "process_resident_memory_bytes": ("gauge", "Memory of the server's process; the model has a process of its own."),
}


class Metrics:
    """Counters and summaries by name and labels. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[tuple[str, Labels], float] = {}
        self.started = time.time()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        key = (name, tuple(sorted(labels.items())))
        with self._lock:
            self._values[key] = self._values.get(key, 0) + amount

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add one observation to a summary."""
        self.count(f"{name}_sum", value, **labels)
        self.count(f"{name}_count", 1, **labels)

    def text(self, gauges: Iterable[tuple[str, Mapping[str, str], float]]) -> str:
        """Everything, and `gauges` (name, labels, value) as they stand now."""
        with self._lock:
            rows = list(self._values.items())
        rows += [((name, tuple(sorted(labels.items()))), value) for name, labels, value in gauges]
        lines: list[str] = []
        for name, (kind, words) in HELP.items():
            own = sorted(row for row in rows if _family(row[0][0]) == name)
            if own:
                lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
                lines += [f"{label}{_shown(labels)} {value:.15g}" for (label, labels), value in own]
        return "\n".join(lines) + "\n"


def _family(name: str) -> str:
    base = name.removesuffix("_sum").removesuffix("_count")
    return base if base in HELP else name


def _shown(labels: Labels) -> str:
    escaped = (
        f'{name}="{value.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34)).replace(chr(10), " ")}"'
        for name, value in labels
    )
    return "{" + ",".join(escaped) + "}" if labels else ""


def resident_bytes() -> int:
    """The memory of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            line = next(line for line in file if line.startswith("VmRSS:"))
    except (OSError, StopIteration):
        return 0
    return int(line.split()[1]) * 1024


class RequestCounter:
    """Counts the requests of a service by their route, so that ids in addresses make no rows of their own."""

    def __init__(self, app: ASGIApp, service: str, metrics: Metrics) -> None:
        self._app, self._service, self._metrics = app, service, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and count the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                path = getattr(scope.get("route"), "path", "other")
                labels = {"service": self._service, "method": scope["method"], "path": path}
                self._metrics.count("wangp_http_requests_total", **labels, status=str(message["status"]))
            await send(message)

        await self._app(scope, receive, counted)
