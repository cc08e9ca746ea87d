"""Load on the HTTP services: clients that poll and submit while a job runs.

Counts lost and doubled tasks, measures /ping and query-job, and watches the server's memory. The server is the real
program with the embedded model in its worker process.

`python bench/http_load.py [--pollers 200] [--submitters 20] [--seconds 300] [--own-port]`

Submitters send small asynchronous jobs, each under an idempotency key and now and then twice; afterwards every job must
have ended exactly once. With more jobs than the machine makes in the time, the rest is stopped and counted apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.fakes.served import Server  # noqa: E402

WISH = {
    "prompt": "a big red ball", "style_selections": [], "aspect_ratios_selection": "96*96", "async_process": True,
    "advanced_params": {"overwrite_step": 1},
}  # fmt: skip


@dataclass
class Figures:
    """What the clients saw: seconds by endpoint, statuses, the ids of jobs, how often one was answered with another."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    jobs: list[str] = field(default_factory=list)
    full: int = 0
    doubled: int = 0
    memory_mb: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def row(self, name: str) -> str:
        """Median, 99th percentile and slowest in milliseconds."""
        values = sorted(self.seconds.get(name, []))
        if not values:
            return f"{name}: none"
        p99 = values[min(len(values) - 1, int(len(values) * 0.99))]
        return (
            f"{name}: {len(values)} calls, median {statistics.median(values) * 1000:.1f} ms, "
            f"p99 {p99 * 1000:.1f} ms, slowest {values[-1] * 1000:.1f} ms"
        )


class Client:
    """One kept connection; as little work a call as can be, for the clients share the machine with the server."""

    def __init__(self, url: str) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
        except (asyncio.IncompleteReadError, ConnectionError):  # the server has let go of an idle connection
            self._streams = None
            return await self.request(method, path, body, headers)
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        return int(head.split()[1]), await reader.readexactly(length)


class Load:
    """All clients of one run."""

    def __init__(self, url: str, process: int, options: Any) -> None:
        self.url, self.process, self.options = url, psutil.Process(process), options
        self.figures = Figures()
        self.ends = time.monotonic() + options.seconds

    async def run(self) -> None:
        """Poll and submit until the time is up."""
        workers = [self._poll(Client(self.url)) for _ in range(self.options.pollers)]
        workers += [self._submit(Client(self.url), number) for number in range(self.options.submitters)]
        await asyncio.gather(*workers, self._ping(Client(self.url)), self._watch())

    async def _timed(self, client: Client, name: str, method: str, path: str, **options: Any) -> Any:
        started = time.perf_counter()
        status, body = await client.request(method, path, **options)
        self.figures.seconds.setdefault(name, []).append(time.perf_counter() - started)
        self.figures.statuses[status] += 1
        return json.loads(body)

    async def _ping(self, client: Client) -> None:
        while time.monotonic() < self.ends:
            await self._timed(client, "/ping", "GET", "/ping")
            await asyncio.sleep(0.05)

    async def _poll(self, client: Client) -> None:
        await asyncio.sleep(random.random())
        while time.monotonic() < self.ends:
            if self.figures.jobs:
                job_id = random.choice(self.figures.jobs[-200:])
                await self._timed(client, "query-job", "GET", f"/v1/generation/query-job?job_id={job_id}")
            await asyncio.sleep(1)

    async def _submit(self, client: Client, number: int) -> None:
        await asyncio.sleep(number / self.options.submitters)
        while time.monotonic() < self.ends:
            headers = {"Idempotency-Key": uuid.uuid4().hex}
            job_id = await self._send(client, headers)
            if job_id and random.random() < 0.2 and await self._send(client, headers) not in (job_id, ""):
                self.figures.doubled += 1
            await asyncio.sleep(self.options.pause)

    async def _send(self, client: Client, headers: dict[str, str]) -> str:
        body = json.dumps(WISH).encode()
        path = "/v1/generation/text-to-image"
        reply = await self._timed(client, "text-to-image", "POST", path, body=body, headers=headers)
        job_id = str(reply.get("job_id") or "")
        if not job_id:
            self.figures.full += 1
        elif job_id not in self.figures.jobs:
            self.figures.jobs.append(job_id)
        return job_id

    async def _watch(self) -> None:
        while time.monotonic() < self.ends:
            self.figures.memory_mb.append(self.process.memory_info().rss / 2**20)
            times = self.process.cpu_times()
            self.figures.cpu_s.append(times.user + times.system)
            await asyncio.sleep(1)


def account(url: str, figures: Figures) -> dict[str, int]:
    """Wait for the running job, stop what still waits, and count how every accepted job ended."""
    with httpx.Client(base_url=url, timeout=60) as client:
        waits = client.get("/v1/generation/job-history").json()["queue"]
        ends: Counter[str] = Counter()
        for job_id in figures.jobs:
            state = client.get("/v1/generation/query-job", params={"job_id": job_id}).json()
            ends[state["job_stage"] if state["job_id"] == job_id else "LOST"] += 1
        doubled_ids = len(figures.jobs) - len(set(figures.jobs))
        return {**ends, "still waiting": len(waits), "doubled": figures.doubled + doubled_ids}


def main() -> int:
    """Serve, load, report; 1 when a task was lost or doubled, or a reply was a server error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pollers", type=int, default=200)
    parser.add_argument("--submitters", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--pause", type=float, default=5, help="seconds between two jobs of a submitter")
    parser.add_argument("--own-port", action="store_true", help="load the service's own port, not the page's")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), "--gpu", "cpu", "--queue-size", "100000", "--fooocus-api-port", "0")
        try:
            url = _own_port(server) if options.own_port else server.url
            first = httpx.post(url + "/v1/generation/text-to-image", content=json.dumps(WISH), timeout=60).json()
            _wait(url, first["job_id"])
            load = Load(url, server.process.pid, options)
            asyncio.run(load.run())
            ends = account(url, load.figures)
        finally:
            server.stop()
    return report(load.figures, ends)


def _own_port(server: Server) -> str:
    lines = server.log.read_text(encoding="utf-8").splitlines()
    return next(line.split()[-1] for line in lines if line.startswith("Fooocus-API is ready at"))


def _wait(url: str, job_id: str) -> None:
    """Until the model is loaded and the first job done."""
    while True:
        state = httpx.get(url + "/v1/generation/query-job", params={"job_id": job_id}, timeout=60).json()
        if state["job_stage"] in ("SUCCESS", "ERROR"):
            return
        time.sleep(0.5)


def report(figures: Figures, ends: dict[str, int]) -> int:
    """Print the figures; the exit code."""
    for name in sorted(figures.seconds):
        sys.stdout.write(figures.row(name) + "\n")
    memory = figures.memory_mb
    sys.stdout.write(f"statuses: {dict(figures.statuses)}, queue full: {figures.full}\n")
    sys.stdout.write(f"jobs accepted: {len(figures.jobs)}, ended: {ends}\n")
    sys.stdout.write(
        f"server memory: {memory[0]:.0f} MB at first, {max(memory):.0f} MB at most, {memory[-1]:.0f} at last\n"
    )
    calls, spent_s = sum(figures.statuses.values()), figures.cpu_s[-1] - figures.cpu_s[0]
    sys.stdout.write(f"server processor: {spent_s:.1f} s, {1000 * spent_s / max(calls, 1):.2f} ms a call\n")
    has_errors = any(status >= 500 for status in figures.statuses)
    return 1 if has_errors or ends.get("LOST") or ends.get("ERROR") or ends["doubled"] else 0


if __name__ == "__main__":
    sys.exit(main())
