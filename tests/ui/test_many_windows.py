"""Many browser sessions at once: each sees its own tasks and the shared queue right, nothing is lost."""

from __future__ import annotations

import http.client
import json
import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest

from tests.fakes.served import Server

SHORT_S = 8.0
END_S = 600.0
COLOURS = ("red", "blue", "gold", "teal", "slow pink")
SESSIONS = 20
LONG_S = float(os.environ.get("WANGP_SOAK_S", "600"))
MOST_GROWTH_MB = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The page over the fake engine."""
    running = Server(tmp_path_factory.mktemp("many"), program=("-m", "tests.fakes.page_program"))
    yield running
    running.stop()


@dataclass
class Session:
    """A window that listens, submits, moves, copies and cancels, and keeps what it knows of the queue."""

    port: int
    token: str
    seed: int
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    submitted: set[str] = field(default_factory=set)
    ended: dict[str, str] = field(default_factory=dict)
    running: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def listen(self) -> None:
        """Follow the event stream until the end."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", f"/wangp/events?window={self.token}")
        answer = connection.getresponse()
        while not self.is_over.is_set():
            line = answer.readline()
            if line.startswith(b"data: "):
                self._take(json.loads(line[6:]))
        connection.close()

    def _take(self, message: dict[str, Any]) -> None:
        match message["kind"]:
            case "queue":
                self.rows |= {row["id"]: row for row in message["tasks"]}
                self.order = message["order"]
                self.rows = {number: row for number, row in self.rows.items() if number in set(self.order)}
                if set(self.rows) != set(self.order):
                    self.problems.append(f"rows {sorted(self.rows)} for the order {self.order}")
            case "progress":
                self.running |= {entry["task_id"] for entry in message["running"]}
            case "finished":
                self.ended[message["client_id"]] = message["outcome"]

    def act(self, seconds: float) -> None:
        """Work as a user in a hurry does."""
        chance, end = random.Random(self.seed), time.monotonic() + seconds
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while time.monotonic() < end:
            mine = [row for row in list(self.rows.values()) if row["client_id"] in self.submitted]
            waiting = [row["id"] for row in mine if row["status"] == "waiting"]
            choice = chance.random()
            if choice < 0.4:
                self._submit(connection, chance)
            elif choice < 0.6 and waiting:
                self._command(connection, "move", id=chance.choice(waiting), before=None)
            elif choice < 0.8 and waiting:
                self._command(connection, "remove", id=chance.choice(waiting))
            else:
                self._ask(connection, "GET", "/wangp/results?limit=24")
            time.sleep(chance.uniform(0.3, 1.5))
        connection.close()

    def _submit(self, connection: http.client.HTTPConnection, chance: random.Random) -> None:
        client_id = f"page-{self.token}-{len(self.submitted):04d}"
        settings = {"model_type": "starter", "prompt": f"{self.token} {chance.choice(COLOURS)}",
                    "image_mode": 1, "num_inference_steps": 2, "resolution": "128x128"}  # fmt: skip
        self.submitted.add(client_id)
        self._ask(connection, "POST", "/fake/submit", {"settings": settings, "client_id": client_id})

    def _command(self, connection: http.client.HTTPConnection, action: str, **values: Any) -> None:
        self._ask(connection, "POST", f"/wangp/queue/{action}", values)

    def _ask(self, connection: http.client.HTTPConnection, method: str, path: str, values: Any = None) -> None:
        body = None if values is None else json.dumps(values)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            self.problems.append(f"{path}: {answer.status} {content[:200]!r}")


def soak(server: Server, sessions: int, seconds: float) -> tuple[list[Session], list[float]]:
    """Let sessions work at once; returns them once the queue is empty, with the server's memory (MB) over the time."""
    made = [Session(server.port, f"session{number:02d}", number) for number in range(sessions)]
    listeners = [threading.Thread(target=one.listen, daemon=True) for one in made]
    workers = [threading.Thread(target=one.act, args=(seconds,), daemon=True) for one in made]
    for thread in [*listeners, *workers]:
        thread.start()
    process, memory = psutil.Process(server.process.pid), []
    while any(worker.is_alive() for worker in workers):
        memory.append(process.memory_info().rss / 2**20)
        time.sleep(min(5.0, seconds / 8))
    end = time.monotonic() + END_S
    while any(one.order or len(one.ended) < sum(len(other.submitted) for other in made) for one in made):
        assert time.monotonic() < end, [(one.token, len(one.order), len(one.ended)) for one in made]
        time.sleep(0.2)
    for one in made:
        one.is_over.set()
    return made, memory


def check(server: Server, sessions: list[Session]) -> None:
    """Every task has one end that all windows heard, and every finished one its result."""
    submitted = set().union(*(one.submitted for one in sessions))
    for one in sessions:
        assert one.problems == []
        assert set(one.ended) == submitted
        assert one.ended == sessions[0].ended
    done = {client_id for client_id, outcome in sessions[0].ended.items() if outcome == "done"}
    assert set(sessions[0].ended.values()) <= {"done", "cancelled"}
    assert json.loads(server.get("/wangp/results?limit=1"))["total"] == len(done)
    sys.stdout.write(f"{len(sessions)} sessions, {len(submitted)} tasks, {len(done)} done\n")


def test_three_sessions_work_at_once(server: Server) -> None:
    sessions, _ = soak(server, 3, SHORT_S)
    check(server, sessions)


@pytest.mark.long
def test_twenty_sessions_work_for_ten_minutes(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = Server(tmp_path_factory.mktemp("soak"), program=("-m", "tests.fakes.page_program"))
    try:
        sessions, memory = soak(server, SESSIONS, LONG_S)
        check(server, sessions)
        quarter = max(1, len(memory) // 4)
        sys.stdout.write(f"memory {memory[0]:.0f} to {memory[-1]:.0f} MB\n")
        growth = max(memory[-quarter:]) - max(memory[quarter : 2 * quarter])
        assert growth < MOST_GROWTH_MB, memory
    finally:
        server.stop()
